import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { startProcess } from "./support/start-process.ts";

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

  const node = await startProcess(dataDir);
  for (const { cid, bytes } of blocks) {
    const url = `${node.url}/sidecar/submit?cid=${cid.toString()}`;
    const answer = await fetch(url, { method: "POST", body: Buffer.from(bytes) });
    expect([answer.status, await answer.json()]).toMatchObject([200, { ok: true, outcome: "accepted" }]);
  }
  await node.kill();

  const again = await startProcess(dataDir);
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
}, 180_000);
