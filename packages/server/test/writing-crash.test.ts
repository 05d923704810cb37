import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCid } from "@holdfast/core";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { carOf, dagCborBlock } from "./support/cars.ts";
import { partsOf, rpc } from "./support/rpc.ts";
import { startProcess } from "./support/start-process.ts";

test("after kill -9 everything that was answered with 200 is there, with its pin", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "holdfast-crash-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const leaves = Array.from({ length: 300 }, (_, i) => blockOf(bytesOf(500, i)));
  const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
  const raw = bytesOf(10_000, 77);
  const file = bytesOf(1_000_000, 78);

  const node = await startProcess(dataDir);
  const imported = await rpc(node, "dag/import", partsOf(carOf([root.cid], [root, ...leaves])));
  const put = await rpc(node, "dag/put?input-codec=raw&store-codec=raw&pin=true", partsOf(raw));
  const block = await rpc(node, "block/put", partsOf("unpinned, but durable"));
  const added = await rpc(node, "add?pin-name=file", partsOf(file));
  expect([imported, put, block, added].map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await node.kill();

  const again = await startProcess(dataDir);
  for (const { cid, bytes } of [root, ...leaves, blockOf(raw), blockOf("unpinned, but durable")]) {
    const got = await rpc(again, `block/get?arg=${cid.toString()}&offline=true`);
    expect(Buffer.compare(got.bytes, bytes)).toBe(0);
  }
  const fileCid = String(added.lines[0]?.["Hash"]);
  const got = await fetch(`${again.url}/ipfs/${fileCid}`);
  expect(Buffer.compare(new Uint8Array(await got.arrayBuffer()), file)).toBe(0);
  await again.kill();

  await using store = await SqliteRecordStore.open({ logger: pino({ level: "silent" }) }, { dataDir });
  const pins = store.pins.list({ limit: 10 }).pins;
  expect(pins.map(({ claim }) => claim.source).toSorted()).toEqual(["add", "dag-import", "dag-put"]);
  expect(store.pins.get(root.cid)).toMatchObject({ recursive: true, claim: { source: "dag-import" } });
  expect(store.pins.get(cidOf(raw))).toMatchObject({ claim: { source: "dag-put" } });
  expect(store.pins.get(parseCid(fileCid))).toMatchObject({ claim: { source: "add", name: "file" } });
}, 180_000);
