import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import type { Block } from "../src/content/block-store.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { carOf, dagCborBlock } from "./support/cars.ts";
import { createPins, requestOf } from "./support/create-pins.ts";
import { collect, within } from "./support/start-embedded.ts";
import { canLimitDisk, type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const deep = (): { recursive: boolean; signal: AbortSignal } => ({ recursive: true, ...within(60_000) });

function create(kubo: Kubo, options: { readonly authorization?: string } = {}) {
  const vault = new MemoryBlockStore();
  const backend = new KuboBackend(
    { rpcUrl: kubo.apiUrl, ...options },
    { logger: pino({ level: "silent" }), clock: systemClock, vault },
  );
  onTestFinished(() => backend[Symbol.asyncDispose]());
  backend.start();
  return { backend, pinner: backend.pinner, vault };
}

async function inFrontOf(kubo: Kubo, options: { readonly authorization?: string } = {}) {
  const parts = create(kubo, options);
  await until(() => expect(parts.backend.status().state).toBe("running"));
  return parts;
}

/** So many MiB below one root. */
function largeDag(mib: number): { readonly root: Block; readonly blocks: readonly Block[] } {
  const leaves = Array.from({ length: mib }, (_, i) => blockOf(bytesOf(1024 * 1024, i + 1)));
  const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid), salt: randomBytes(8) });
  return { root, blocks: [root, ...leaves] };
}

async function holds(kubo: Kubo, blocks: readonly Block[]): Promise<void> {
  for (const { cid, bytes } of blocks) {
    const held = await kubo.bytes(`block/get?arg=${cid.toString()}&offline=true`);
    expect(Buffer.compare(held, bytes)).toBe(0);
  }
}

describe.skipIf(!kuboAvailable)("pins of a real Kubo", { timeout: 180_000 }, () => {
  test.each([4, 8, 32])("a submitted block of %i MiB is pinned as any other (R20)", async (mib) => {
    await using kubo = await startKubo({ label: "big-block" });
    const { pinner, vault } = await inFrontOf(kubo);
    const block = blockOf(bytesOf(mib * 1024 * 1024, mib));
    await vault.put([block]);
    const alone = { recursive: false, ...within(60_000) };
    await pinner.pin(block.cid, alone);
    expect(await pinner.isPinned(block.cid, alone)).toBe(true);
    await kubo.rpc("repo/gc");
    await holds(kubo, [block]);
  });

  test("100 MB from the vault are pinned, and Kubo's garbage collector takes nothing (R20)", async () => {
    await using kubo = await startKubo({ label: "large" });
    const { pinner, vault } = await inFrontOf(kubo);
    const { root, blocks } = largeDag(100);
    await vault.put(blocks);
    const pinned = await pinner.pin(root.cid, deep());
    expect(pinned).toEqual({
      blocks: 101,
      bytes: blocks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
    });
    await kubo.rpc("repo/gc");
    await holds(kubo, blocks);
  });

  test("nothing is lost while Kubo collects its garbage again and again (R20)", async () => {
    await using kubo = await startKubo({ label: "gc" });
    const { pinner, vault } = await inFrontOf(kubo);
    let isOver = false;
    const collecting = (async () => {
      while (!isOver) await kubo.rpc("repo/gc");
    })();
    const dags = Array.from({ length: 30 }, () => {
      const leaves = Array.from({ length: 20 }, () => blockOf(randomBytes(2_000)));
      const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
      return { root, blocks: [root, ...leaves] };
    });
    await vault.put(dags.flatMap(({ blocks }) => blocks));
    await Promise.all(dags.map(({ root }) => pinner.pin(root.cid, deep())));
    isOver = true;
    await collecting;
    await kubo.rpc("repo/gc");
    for (const { root, blocks } of dags) {
      expect(await pinner.isPinned(root.cid, deep())).toBe(true);
      await holds(kubo, blocks);
    }
  });

  test("killed half way through, Kubo has no pin; back again, it takes it", async () => {
    await using kubo = await startKubo({ label: "killed", host: "127.0.0.9" });
    const { backend, pinner, vault } = await inFrontOf(kubo);
    const { root, blocks } = largeDag(60);
    await vault.put(blocks);
    let killed: Promise<void> | undefined;
    const onProgress = (progress: { readonly blocks: number }): void => {
      if (progress.blocks === 20) killed ??= kubo.kill();
    };
    const broken = pinner.pin(root.cid, { ...deep(), onProgress });
    await expect(broken).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await killed;
    await until(() => expect(backend.status().state).toBe("unreachable"));
    await kubo.restart({ keepPorts: true });
    await until(() => expect(backend.status().state).toBe("running"), 60_000);
    expect(await pinner.isPinned(root.cid, deep())).toBe(false);
    await pinner.pin(root.cid, deep());
    await holds(kubo, blocks);
  });

  test("R33: what an operator has pinned stays when nobody claims it here any more, and what we pinned goes", async () => {
    await using kubo = await startKubo({ label: "operator" });
    const { pinner, vault, backend } = await inFrontOf(kubo);
    const isBackendUp = (): boolean => backend.status().state === "running";
    const timers = systemClock;
    const { pins } = createPins({ parts: { pinner, isBackendUp, clock: systemClock, timers } });
    const [theirs, direct, ours] = [blockOf(randomBytes(100)), largeDag(1).root, blockOf(randomBytes(100))];
    await vault.put([theirs, direct, ours]);
    const leaves = largeDag(1).blocks.slice(1);
    await vault.put(leaves);
    await kubo.rpc("dag/import?pin-roots=false", { bytes: carOf([theirs.cid], [theirs, direct, ...leaves]) });
    await kubo.rpc(`pin/add?arg=${theirs.cid.toString()}`);
    await kubo.rpc(`pin/add?arg=${direct.cid.toString()}&recursive=false`);
    pins.start();
    for (const { cid } of [theirs, direct, ours]) {
      await pins.add([requestOf(cid, { isStored: true })]);
      await pins.waitFor(cid, "pinned", within(60_000));
      expect(await pinner.isPinned(cid, deep())).toBe(true);
      await pins.release(cid, { source: "add", holder: "" });
    }
    await until(async () => expect(await pinner.isPinned(ours.cid, deep())).toBe(false), 60_000);
    await until(() => expect(pins.totals()).toEqual([]), 60_000);
    for (const { cid } of [theirs, direct]) expect(await pinner.isPinned(cid, deep())).toBe(true);
  });

  test("a name goes along, as much of it as Kubo takes", async () => {
    await using kubo = await startKubo({ label: "names" });
    const { pinner, vault } = await inFrontOf(kubo);
    const long = "é".repeat(200);
    for (const [name, kept] of [
      ["a name & more", "a name & more"],
      [long, "é".repeat(127)],
    ] as const) {
      const block = blockOf(randomBytes(100));
      await vault.put([block]);
      await pinner.pin(block.cid, { ...deep(), name });
      const { Keys } = await kubo.json<{ Keys: Record<string, { Name: string }> }>(
        `pin/ls?arg=${block.cid.toString()}&names=true&type=recursive`,
      );
      expect(Keys[block.cid.toString()]?.Name).toBe(kept);
    }
  });

  test("many pins at once are all made, and all are listed", async () => {
    await using kubo = await startKubo({ label: "many" });
    const { pinner, vault } = await inFrontOf(kubo);
    const many = Array.from({ length: 400 }, () => blockOf(randomBytes(200)));
    await vault.put(many);
    const rest = many.values();
    const worker = async (): Promise<void> => {
      for (const { cid } of rest) await pinner.pin(cid, deep());
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    const listed = new Set((await collect(pinner.listPinned(deep()))).map(String));
    expect(many.every(({ cid }) => listed.has(cid.toString()))).toBe(true);
  });

  test.skipIf(!canLimitDisk())("a full disk is STORE_FAILED, and there is no pin", async () => {
    await using kubo = await startKubo({ label: "full", diskBytes: 16 * 1024 * 1024 });
    const { pinner, vault } = await inFrontOf(kubo);
    const { root, blocks } = largeDag(40);
    await vault.put(blocks);
    await expect(pinner.pin(root.cid, deep())).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(await pinner.isPinned(root.cid, deep())).toBe(false);
  });

  test("a login is given where Kubo asks for one, with both kinds of secret (R37)", async () => {
    const AllowedPaths = ["/api/v0"];
    const Authorizations = {
      us: { AuthSecret: "basic:us:pa:ss", AllowedPaths },
      them: { AuthSecret: "bearer:a-token", AllowedPaths },
    };
    const basic = `Basic ${Buffer.from("us:pa:ss").toString("base64")}`;
    await using kubo = await startKubo({
      label: "login",
      config: { API: { Authorizations } },
      authorization: basic,
    });
    for (const authorization of [basic, "Bearer a-token"]) {
      const { pinner, vault } = await inFrontOf(kubo, { authorization });
      const block = blockOf(randomBytes(100));
      await vault.put([block]);
      await pinner.pin(block.cid, deep());
      await holds(kubo, [block]);
    }
    const stranger = create(kubo, { authorization: "Bearer another-token" });
    await until(() => expect(stranger.backend.status().state).toBe("unreachable"));
  });
});
