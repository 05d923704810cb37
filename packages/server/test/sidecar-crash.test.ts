import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { blockOf, bytesOf } from "./support/blocks.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

interface RunningNode {
  readonly url: string;
  readonly adminUrl: string;
  kill(): Promise<void>;
}

/** The product itself, as a process, without a network. */
async function startNode(dataDir: string): Promise<RunningNode> {
  const child: ChildProcess = spawn(process.execPath, ["--conditions=@holdfast/source", MAIN, "serve"], {
    env: {
      ...process.env,
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_PUBLIC_LISTEN: "127.0.0.1:0",
      HOLDFAST_ADMIN_LISTEN: "127.0.0.1:0",
      HOLDFAST_NETWORK: "offline",
      HOLDFAST_RATE_LIMITS: "off",
      HOLDFAST_LOG_LEVEL: "warn",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  onTestFinished(kill);
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url, adminUrl] = /^holdfast ready public=(\S+) admin=(\S+)/.exec(line) ?? [];
    if (url !== undefined && adminUrl !== undefined) return { url, adminUrl, kill };
  }
  throw new Error("the node did not start");
}

async function json(url: string): Promise<unknown> {
  return (await fetch(url)).json();
}

test("R20, R21: after kill -9 each submitted block is there, pinned and counted, of every size", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "holdfast-sidecar-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const blocks = [10, 60_000, 70_000, 3_000_000, 32 * 1024 * 1024].map((size, i) =>
    blockOf(bytesOf(size, i)),
  );
  const heldBytes = blocks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

  const node = await startNode(dataDir);
  for (const { cid, bytes } of blocks) {
    const url = `${node.url}/sidecar/submit?cid=${cid.toString()}`;
    const answer = await fetch(url, { method: "POST", body: Buffer.from(bytes) });
    expect([answer.status, await answer.json()]).toMatchObject([200, { ok: true, outcome: "accepted" }]);
  }
  await node.kill();

  const again = await startNode(dataDir);
  for (const { cid, bytes } of blocks) {
    for (const path of [`/sidecar/blob?cid=${cid.toString()}`, `/ipfs/${cid.toString()}`]) {
      const got = await fetch(again.url + path);
      expect(Buffer.compare(new Uint8Array(await got.arrayBuffer()), bytes)).toBe(0);
    }
    for (const url of [again.url, again.adminUrl]) {
      const status = await json(`${url}/pin-status?cid=${cid.toString()}`);
      expect(status).toMatchObject({ pinned: true, source: "sidecar" });
    }
  }
  const stats = await json(`${again.url}/sidecar/cache-stats`);
  expect(stats).toMatchObject({
    confirmed_entries: blocks.length,
    bytes_used_total: heldBytes,
    accepted_submits: 0,
    cache_hits: blocks.length,
  });
  expect(await json(`${again.adminUrl}/metrics`)).toMatchObject({
    database: { total_pinned_cids: blocks.length },
    instant_pin_cache: stats,
    holdfast: { sidecar: { blobHits: blocks.length, blobMisses: 0 } },
  });
}, 60_000);
