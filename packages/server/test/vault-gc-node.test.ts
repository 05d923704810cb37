import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { FileBlockStore } from "../src/adapters/files/block-store.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { partsOf, rpc } from "./support/rpc.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, ["--conditions=@holdfast/source", MAIN, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** The product itself, as a process, without a network. */
async function startNode(dataDir: string) {
  const child = run(["serve"], {
    HOLDFAST_DATA_DIR: dataDir,
    HOLDFAST_PUBLIC_LISTEN: "127.0.0.1:0",
    HOLDFAST_ADMIN_LISTEN: "127.0.0.1:0",
    HOLDFAST_NETWORK: "offline",
    HOLDFAST_RATE_LIMITS: "off",
    HOLDFAST_LOG_LEVEL: "warn",
  });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url, adminUrl] = /^holdfast ready public=(\S+) admin=(\S+)/.exec(line) ?? [];
    if (url !== undefined && adminUrl !== undefined) return { url, adminUrl };
  }
  throw new Error("the node did not start");
}

async function gc(...args: readonly string[]) {
  const child = run(["gc", ...args]);
  if (child.stdout === null) throw new Error("no stdout");
  const [output, [exitCode]] = await Promise.all([
    text(child.stdout),
    once(child, "exit") as Promise<[number]>,
  ]);
  return { output, exitCode };
}

function dagOf(seed: number) {
  const leaves = [blockOf(bytesOf(500, seed)), blockOf(bytesOf(100_000, seed))];
  const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
  return { root, all: [root, ...leaves] };
}

test(
  "R32: holdfast gc reports first, and deletes only what no pin, record or recent write needs",
  { timeout: 180_000 },
  async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "holdfast-gc-"));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const [published, before, pinned, loose] = [dagOf(1), dagOf(2), dagOf(3), dagOf(4)];
    {
      const longAgoMs = Date.now() - 30 * 3_600_000;
      await using vault = await FileBlockStore.open(join(dataDir, "vault"), { nowMs: () => longAgoMs });
      await vault.put([published, before, pinned, loose].flatMap(({ all }) => all));
    }
    const node = await startNode(dataDir);
    const key = createTestName();
    for (const [sequence, { root }] of [before, published].entries()) {
      const record = await makeRecord(key, {
        value: `/ipfs/${root.cid.toString()}`,
        sequence: BigInt(sequence),
      });
      const form = partsOf(record);
      expect((await rpc(node, `routing/put?arg=/ipns/${key.name.text}`, form)).status).toBe(200);
    }
    const car = await rpc(node, `dag/export?arg=${pinned.root.cid.toString()}`);
    expect((await rpc(node, "dag/import", partsOf(car.bytes))).status).toBe(200);
    expect((await rpc(node, "block/put", partsOf("just now, unpinned"))).status).toBe(200);

    const dry = await gc("--admin", node.adminUrl);
    expect(dry.exitCode).toBe(0);
    expect(dry.output).toMatch(/^done\n/);
    expect(dry.output).toContain("must stay   1 pins, 2 records, 9 blocks");
    expect(dry.output).toMatch(/too recent {2}1 blocks/);
    expect(dry.output).toMatch(/garbage {5}3 blocks, 0\.1 MiB/);
    expect(dry.output).toContain("nothing was deleted: that takes --delete");
    expect((await rpc(node, `block/get?offline=true&arg=${loose.root.cid.toString()}`)).status).toBe(200);

    const deleted = await gc("--delete", "--json", "--admin", node.adminUrl);
    expect(deleted.exitCode).toBe(0);
    expect(JSON.parse(deleted.output)).toMatchObject({
      state: "done",
      delete: true,
      deleted: { blocks: 3 },
      problem: null,
    });
    expect(await (await fetch(`${node.adminUrl}/admin/gc`)).json()).toEqual(JSON.parse(deleted.output));
    const stat = async (cid: { toString(): string }): Promise<number> =>
      (await rpc(node, `block/get?offline=true&arg=${cid.toString()}`)).status;
    for (const { all } of [published, before, pinned])
      for (const { cid } of all) expect(await stat(cid)).toBe(200);
    expect(
      (await rpc(node, "block/get?offline=true&arg=" + blockOf("just now, unpinned").cid.toString())).status,
    ).toBe(200);
  },
);

test("holdfast gc says so when there is no node", async () => {
  const { exitCode } = await gc("--admin", "http://127.0.0.1:1");
  expect(exitCode).toBe(2);
}, 60_000);
