import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { bytesOf } from "./support/blocks.ts";
import { startEmbedded, within } from "./support/start-embedded.ts";
import { kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { startProcess } from "./support/start-process.ts";
import { until } from "./support/until.ts";

const NOBODY = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWJNGGHBzL4VMiSyD5ptkxjWJLvbe5q8UXsQKKkbm8pBoh";

describe("connecting to the origins of a pin", () => {
  test("the embedded node connects to a peer by whichever of its addresses answers", async () => {
    await using one = await startEmbedded();
    await using other = await startEmbedded();
    const wrongPort = other.addr.replace(/tcp\/\d+/, "tcp/1");
    await one.node.connectTo([NOBODY, wrongPort, other.addr], within(15_000));
    await until(() => expect(one.node.status().peers).toBe(1));
    await expect(one.node.connectTo([NOBODY], within(15_000))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });
  }, 40_000);

  test("an offline node says that it has no network", async () => {
    await using one = await startEmbedded({ network: "offline", ready: false });
    await expect(one.node.connectTo([NOBODY], within(1_000))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });
  });

  test.skipIf(!kuboAvailable)(
    "so does a Kubo",
    async () => {
      await using kubo = await startKubo({ label: "connects" });
      await using other = await startEmbedded();
      await using backend = new KuboBackend(
        { rpcUrl: kubo.apiUrl },
        { logger: createLogger("silent"), clock: systemClock, vault: new MemoryBlockStore() },
      );
      backend.start();
      const wrongPort = other.addr.replace(/tcp\/\d+/, "tcp/1");
      await backend.connectTo([NOBODY, wrongPort, other.addr], within(20_000));
      await until(() => expect(other.node.status().peers).toBe(1));
      await expect(backend.connectTo([NOBODY], within(20_000))).rejects.toMatchObject({
        code: expect.stringMatching(/BACKEND_UNAVAILABLE|UPSTREAM_TIMEOUT/) as unknown,
      });
    },
    60_000,
  );
});

describe.skipIf(!kuboAvailable)("Kubo as the client of our Pinning Service API", () => {
  test("`pin remote add` brings content that only this Kubo has, over the origins it names", async () => {
    await using kubo = await startKubo({ label: "client" });
    const dataDir = await mkdtemp(join(tmpdir(), "holdfast-remote-pins-"));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const token = "token-of-a-kubo-0123";
    const node = await startProcess(dataDir, {
      HOLDFAST_PINS_TOKENS: token,
      HOLDFAST_NETWORK: "lan",
      HOLDFAST_SWARM_LISTEN: "/ip4/127.0.0.1/tcp/0",
    });
    const bytes = bytesOf(700_000, 77);
    const cid = await kubo.add(bytes);
    const query = (args: Readonly<Record<string, string>>): string => new URLSearchParams(args).toString();
    const service = `pin/remote/service/add?arg=holdfast&arg=${encodeURIComponent(node.url)}&arg=${token}`;
    await kubo.rpc(service);
    const added = await kubo.json(
      `pin/remote/add?${query({ arg: cid, service: "holdfast", name: "remote" })}`,
    );
    expect(added).toEqual({ Status: "pinned", Cid: cid, Name: "remote" });
    const listed = await kubo.json(`pin/remote/ls?${query({ service: "holdfast", name: "remote" })}`);
    expect(listed).toEqual({ Status: "pinned", Cid: cid, Name: "remote" });
    const got = await fetch(`${node.url}/ipfs/${cid}`);
    expect(Buffer.compare(new Uint8Array(await got.arrayBuffer()), bytes)).toBe(0);

    await kubo.rpc(`pin/remote/rm?${query({ service: "holdfast", name: "remote" })}`);
    const statuses = ["queued", "pinning", "pinned", "failed"].map((one) => `status=${one}`).join("&");
    const left = await kubo.rpc(`pin/remote/ls?service=holdfast&${statuses}`);
    expect(await left.text()).toBe("");
  }, 90_000);
});
