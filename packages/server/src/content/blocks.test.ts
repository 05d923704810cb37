import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { expect, test } from "vitest";
import { MemoryBlockCache } from "../adapters/memory/block-cache.ts";
import { MemoryBlockStore } from "../adapters/memory/block-store.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { blockOf, bytesOf, cidOf } from "../../test/support/blocks.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { ScriptedSource } from "../../test/support/scripted-source.ts";
import type { BlockCache } from "./block-cache.ts";
import { Blocks, type BlocksOptions } from "./blocks.ts";
import { until } from "../../test/support/until.ts";

const never = new AbortController().signal;
const A = blockOf("block a");
const B = blockOf("block b");
const C = blockOf("block c");

function setUp(sources: readonly ScriptedSource[] = [], options: BlocksOptions = {}, cache?: BlockCache) {
  const vault = new MemoryBlockStore();
  const metrics = new Metrics();
  const timers = new ManualClock();
  const blocks = new Blocks({ vault, ...(cache && { cache }), sources, metrics, timers }, options);
  return { vault, metrics, timers, blocks, counts: metrics.content };
}

test("a block comes from a source once, and from memory ever after", async () => {
  const source = new ScriptedSource("s", [A]);
  const { blocks, counts } = setUp([source]);
  for (let i = 0; i < 3; i++) expect(await blocks.get(A.cid, { signal: never })).toEqual(A.bytes);
  expect(source.asked).toHaveLength(1);
  expect(counts).toMatchObject({ blocksFromSources: 1, blocksFromMemory: 2, blocksCorrupt: 0 });
});

test("a block in the vault asks no source", async () => {
  const source = new ScriptedSource("s", [A]);
  const { blocks, vault, counts } = setUp([source]);
  await vault.put([A]);
  expect(await blocks.get(A.cid, { signal: never })).toEqual(A.bytes);
  expect(source.asked).toHaveLength(0);
  expect(counts.blocksFromVault).toBe(1);
});

test("a retrieved block is kept in the cache, and found there when memory has forgotten it", async () => {
  const source = new ScriptedSource("s", [A, B]);
  const cache = new MemoryBlockCache({ bytesMax: 1 << 20 });
  const { blocks, vault, counts } = setUp([source], { memoryBytesMax: 1 }, cache);
  await vault.put([C]);
  for (let i = 0; i < 3; i++) {
    for (const block of [A, B, C])
      expect(await blocks.get(block.cid, { signal: never })).toEqual(block.bytes);
  }
  expect(source.asked).toHaveLength(2);
  expect(counts).toMatchObject({ blocksFromSources: 2, blocksFromCache: 4, blocksFromVault: 3 });
  // What is durable already takes no room in the cache.
  expect([A, B, C].map(({ cid }) => cache.has(cid))).toEqual([true, true, false]);
  expect(await blocks.isHeld(A.cid)).toBe(true);
});

test("what is held is given without asking a source: from memory, vault, cache and the CID itself", async () => {
  const source = new ScriptedSource("s", [A, B, C]);
  const cache = new MemoryBlockCache({ bytesMax: 1 << 20 });
  const { blocks, vault, counts } = setUp([source], {}, cache);
  await vault.put([A]);
  cache.add(B);
  for (let i = 0; i < 2; i++) {
    expect(await blocks.getHeld(A.cid)).toEqual(A.bytes);
    expect(await blocks.getHeld(B.cid)).toEqual(B.bytes);
    expect(await blocks.getHeld(C.cid)).toBeUndefined();
  }
  expect(counts).toMatchObject({ blocksFromVault: 1, blocksFromCache: 1, blocksFromMemory: 2 });
  const inlined = CID.createV1(0x55, Digest.create(0, new Uint8Array([1, 2])));
  expect(await blocks.getHeld(inlined)).toEqual(new Uint8Array([1, 2]));
  expect(source.asked).toEqual([]);
});

test("a block that is stored while sources are silent is given to who waits, and to who comes then", async () => {
  const source = new ScriptedSource("s");
  source.behaviour = "hangs";
  const { blocks, vault, counts } = setUp([source]);
  const waiting = blocks.get(A.cid, { signal: never });
  await until(() => expect(source.asked).toHaveLength(1));
  blocks.noteStored([A.cid, B.cid]);
  await vault.put([A]);
  blocks.noteStored([A.cid]);
  const joining = blocks.get(A.cid, { signal: never });
  expect([await waiting, await joining]).toEqual([A.bytes, A.bytes]);
  expect(source.asked[0]?.signal.aborted).toBe(true);
  expect(await blocks.get(A.cid, { signal: never })).toEqual(A.bytes);
  expect(counts.blocksFromSources).toBe(0);
});

test("what did not hash to its CID never gets into the cache", async () => {
  const source = new ScriptedSource("s", [A]);
  source.behaviour = "lies";
  const cache = new MemoryBlockCache({ bytesMax: 1 << 20 });
  const { blocks } = setUp([source], {}, cache);
  await expect(blocks.get(A.cid, { signal: never })).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(cache.has(A.cid)).toBe(false);
});

test("who reads is told whether a source was needed, also when somebody else had asked it", async () => {
  const source = new ScriptedSource("s", [A]);
  source.hold();
  const { blocks, vault } = setUp([source]);
  await vault.put([B]);
  const told: string[] = [];
  const read = (cid: CID, label: string): Promise<Uint8Array> =>
    blocks.get(cid, { signal: never, onRetrieved: () => told.push(label) });
  const [first, second] = [read(A.cid, "first"), read(A.cid, "second")];
  await until(() => expect(source.asked).toHaveLength(1));
  source.release();
  await Promise.all([first, second]);
  await read(A.cid, "from memory");
  await read(B.cid, "from the vault");
  expect(told.sort()).toEqual(["first", "second"]);
});

test("R24: the same bytes are one block under every codec", async () => {
  const source = new ScriptedSource("s", [A]);
  const { blocks } = setUp([source]);
  await blocks.get(A.cid, { signal: never });
  expect(await blocks.get(cidOf(A.bytes, 0x71), { signal: never })).toEqual(A.bytes);
  expect(source.asked).toHaveLength(1);
});

test("an inlined block needs neither store nor source", async () => {
  const { blocks } = setUp();
  const inlined = CID.createV1(0x55, Digest.create(0, bytesOf(128)));
  expect(await blocks.get(inlined, { signal: never })).toEqual(bytesOf(128));
  expect(await blocks.isHeld(inlined)).toBe(true);
});

test("an inlined block of more than 128 bytes is refused (IPIP-512)", async () => {
  const { blocks } = setUp();
  const inlined = CID.createV1(0x55, Digest.create(0, bytesOf(129)));
  await expect(blocks.get(inlined, { signal: never })).rejects.toMatchObject({ code: "INVALID_CID" });
});

test.for([
  { hash: "blake2b-256", code: 0xb2_20, digestBytes: 32 },
  { hash: "blake3", code: 0x1e, digestBytes: 32 },
])("a hash that cannot be checked here is refused at once: $hash", async ({ code, digestBytes }) => {
  const source = new ScriptedSource("s");
  const { blocks } = setUp([source]);
  const cid = CID.createV1(0x55, Digest.create(code, bytesOf(digestBytes)));
  await expect(blocks.get(cid, { signal: never })).rejects.toMatchObject({ code: "CONTENT_UNSUPPORTED" });
  expect(source.asked).toHaveLength(0);
});

test("R19: a truncated digest never matches, however right its first bytes are", async () => {
  const source = new ScriptedSource("s", [A]);
  const short = CID.createV1(0x55, Digest.create(0x12, A.cid.multihash.digest.subarray(0, 20)));
  source.add({ cid: short, bytes: A.bytes });
  const { blocks, counts } = setUp([source]);
  await expect(blocks.get(short, { signal: never })).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(counts.blocksCorrupt).toBe(1);
});

test.for(["lies", "truncates", "fails", "away"] as const)(
  "R17: a source that %s is passed over, and nothing of it is kept",
  async (behaviour) => {
    const [bad, good] = [new ScriptedSource("bad", [A]), new ScriptedSource("good", [A])];
    bad.behaviour = behaviour;
    const { blocks, counts } = setUp([bad, good]);
    expect(await blocks.get(A.cid, { signal: never })).toEqual(A.bytes);
    expect(counts.blocksCorrupt).toBe(behaviour === "lies" || behaviour === "truncates" ? 1 : 0);
    expect(bad.asked[0]?.signal.aborted).toBe(true);
  },
);

test("a silent source delays the next one only by the stagger, and is stopped when that one answers", async () => {
  const [silent, good] = [new ScriptedSource("silent"), new ScriptedSource("good", [A])];
  silent.behaviour = "hangs";
  const { blocks, timers } = setUp([silent, good], { staggerMs: 1000 });
  const got = blocks.get(A.cid, { signal: never });
  await until(() => expect(silent.asked).toHaveLength(1));
  await timers.advance(999);
  expect(good.asked).toHaveLength(0);
  await timers.advance(1);
  expect(await got).toEqual(A.bytes);
  expect(silent.asked[0]?.signal.aborted).toBe(true);
});

test("sources that failed or recovered are asked again by the next read", async () => {
  const source = new ScriptedSource("s", [A]);
  source.behaviour = "fails";
  const { blocks } = setUp([source]);
  await expect(blocks.get(A.cid, { signal: never })).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  source.behaviour = "honest";
  expect(await blocks.get(A.cid, { signal: never })).toEqual(A.bytes);
});

test("not found is only said when every source says so", async () => {
  const [empty, away] = [new ScriptedSource("empty"), new ScriptedSource("away")];
  const { blocks } = setUp([empty, away]);
  await expect(blocks.get(A.cid, { signal: never })).rejects.toMatchObject({ code: "CONTENT_NOT_FOUND" });
  away.behaviour = "away";
  await expect(blocks.get(A.cid, { signal: never })).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
});

test("without any source an absent block is not found", async () => {
  await expect(setUp().blocks.get(A.cid, { signal: never })).rejects.toMatchObject({
    code: "CONTENT_NOT_FOUND",
  });
});

test("50 parallel readers of one cold block cost one retrieval", async () => {
  const source = new ScriptedSource("s", [A]);
  const { blocks } = setUp([source]);
  const readers = Array.from({ length: 50 }, () =>
    blocks.get(A.cid, { signal: new AbortController().signal }),
  );
  expect(new Set(await Promise.all(readers)).size).toBe(1);
  expect(source.asked).toHaveLength(1);
});

test("a reader that leaves takes nothing from the others; the last one to leave stops the retrieval", async () => {
  const source = new ScriptedSource("s", [A]);
  source.hold();
  const { blocks } = setUp([source]);
  const [first, second] = [new AbortController(), new AbortController()];
  const reads = [first, second].map(({ signal }) => blocks.get(A.cid, { signal }));
  const outcomes = Promise.allSettled(reads);
  await until(() => expect(source.asked).toHaveLength(1));

  first.abort(new Error("first left"));
  await expect(reads[0]).rejects.toThrow("first left");
  expect(source.asked[0]?.signal.aborted).toBe(false);

  second.abort(new Error("second left"));
  await outcomes;
  expect(source.asked[0]?.signal.aborted).toBe(true);

  const third = blocks.get(A.cid, { signal: never });
  await until(() => expect(source.asked).toHaveLength(2));
  source.release();
  expect(await third).toEqual(A.bytes);
});

test("a source that is deaf to its signal does not keep the reader that leaves", async () => {
  const source = new ScriptedSource("s");
  source.behaviour = "hangs";
  const { blocks } = setUp([source]);
  const leaving = new AbortController();
  const read = blocks.get(A.cid, { signal: leaving.signal });
  leaving.abort(new Error("left"));
  await expect(read).rejects.toThrow("left");
});

test("P6: cached and stored blocks are read while a retrieval hangs", async () => {
  const source = new ScriptedSource("s", [A]);
  const { blocks, vault } = setUp([source]);
  await vault.put([B]);
  await blocks.get(A.cid, { signal: never });
  source.behaviour = "hangs";
  const leaving = new AbortController();
  const hanging = blocks.get(blockOf("nowhere").cid, { signal: leaving.signal });
  expect(await blocks.get(A.cid, { signal: never })).toEqual(A.bytes);
  expect(await blocks.get(B.cid, { signal: never })).toEqual(B.bytes);
  leaving.abort(new Error("done"));
  await expect(hanging).rejects.toThrow("done");
});

test("retrievals at once are bounded", async () => {
  const source = new ScriptedSource("s", [A, B]);
  source.hold();
  const { blocks } = setUp([source], { retrievalsMax: 1 });
  const first = blocks.get(A.cid, { signal: never });
  await until(() => expect(source.asked).toHaveLength(1));
  await expect(blocks.get(B.cid, { signal: never })).rejects.toMatchObject({ code: "OVERLOADED" });
  source.release();
  await first;
  expect(await blocks.get(B.cid, { signal: never })).toEqual(B.bytes);
});

test("memory is bounded by bytes, and a block never keeps the buffer it came in", async () => {
  const blocksOfOneKiB = Array.from({ length: 100 }, (_, i) => {
    const buffer = new Uint8Array(64 * 1024);
    buffer.set(bytesOf(1024, i), 100);
    return blockOf(buffer.subarray(100, 1124));
  });
  const source = new ScriptedSource("s", blocksOfOneKiB);
  const { blocks } = setUp([source], { memoryBytesMax: 20 * 1024 });
  for (const { cid, bytes } of blocksOfOneKiB) {
    const got = await blocks.get(cid, { signal: never });
    expect(got).toEqual(bytes);
    expect(got.buffer.byteLength).toBe(1024);
  }
  source.asked.length = 0;
  for (const { cid } of blocksOfOneKiB) await blocks.get(cid, { signal: never });
  expect(source.asked.length).toBeGreaterThan(80);
});

test("the root is passed on to the source", async () => {
  const source = new ScriptedSource("s", [A]);
  await setUp([source]).blocks.get(A.cid, { signal: never, root: B.cid });
  expect(source.asked[0]?.root).toEqual(B.cid);
});
