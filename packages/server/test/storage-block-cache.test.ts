import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import type { CID } from "multiformats/cid";
import { expect, onTestFinished, test } from "vitest";
import { FileBlockCache, type FileBlockCacheOptions } from "../src/adapters/files/block-cache.ts";
import { MemoryBlockCache } from "../src/adapters/memory/block-cache.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { Blocks } from "../src/content/blocks.ts";
import type { Block } from "../src/content/block-store.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { blockCacheContract } from "./contracts/block-cache.contract.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { bytesInUse } from "./support/bytes-in-use.ts";
import { until } from "./support/until.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

blockCacheContract("memory", () => Promise.resolve({ cache: new MemoryBlockCache({ bytesMax: 4 * MIB }) }));

blockCacheContract("files", async () => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-cache-"));
  const cache = await FileBlockCache.open(directory, { bytesMax: 4 * MIB });
  const dispose = async (): Promise<void> => {
    await cache[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  };
  return { cache, dispose };
});

async function makeFolder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-cache-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function openCache(options: Partial<FileBlockCacheOptions> & { readonly directory?: string } = {}) {
  const directory = options.directory ?? (await makeFolder());
  const corrupt: CID[] = [];
  const counts = { dropped: 0, failed: 0 };
  const cache = await FileBlockCache.open(directory, {
    bytesMax: 8 * MIB,
    onCorrupt: (cid) => corrupt.push(cid),
    onDropped: () => counts.dropped++,
    onWriteFailed: () => counts.failed++,
    ...options,
  });
  onTestFinished(() => cache[Symbol.asyncDispose]());
  return { directory, cache, corrupt, counts };
}

const blocksOf = (count: number, size: number, seed = 0): Block[] =>
  Array.from({ length: count }, (_, i) => blockOf(bytesOf(size, seed + i)));

async function holds(cache: FileBlockCache, { cid, bytes }: Block): Promise<boolean> {
  const held = await cache.get(cid);
  return held !== undefined && Buffer.compare(held, bytes) === 0;
}

/** Adds blocks no faster than they are written, so that none is dropped. */
async function addAll(cache: FileBlockCache, blocks: readonly Block[]): Promise<void> {
  for (const [i, block] of blocks.entries()) {
    cache.add(block);
    if (i % 16 === 15) await written(cache);
  }
  await written(cache);
}

/** A block that is added last is written last. */
async function written(cache: FileBlockCache): Promise<void> {
  await until(() => expect(cache.waitingBytes).toBe(0));
}

async function bytesOnDisk(directory: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(directory))
    sum += await stat(join(directory, name)).then(
      (s) => s.size,
      () => 0,
    );
  return sum;
}

test("a block is there at once, when it has been written, and after a restart", async () => {
  const { directory, cache } = await openCache();
  const blocks = [...blocksOf(20, 10_000), blockOf(""), blockOf("a")];
  expect(await cache.get(blockOf("absent").cid)).toBeUndefined();
  for (const block of blocks) {
    cache.add(block);
    expect(cache.has(block.cid)).toBe(true);
    expect(await holds(cache, block)).toBe(true);
  }
  await written(cache);
  for (const block of blocks) expect(await holds(cache, block)).toBe(true);
  await cache[Symbol.asyncDispose]();

  const { cache: reopened } = await openCache({ directory });
  expect(reopened.blockCount).toBe(blocks.length);
  for (const block of blocks) expect(await holds(reopened, block)).toBe(true);
});

test("a restart goes on in the same segment, so restarts do not pile up files", async () => {
  const directory = await makeFolder();
  for (let i = 0; i < 5; i++) {
    const { cache } = await openCache({ directory });
    cache.add(blockOf(`start ${i}`));
    await cache[Symbol.asyncDispose]();
  }
  expect((await readdir(directory)).sort()).toEqual(["1.blocks", "1.index"]);
  const { cache } = await openCache({ directory });
  for (let i = 0; i < 5; i++) expect(await holds(cache, blockOf(`start ${i}`))).toBe(true);
});

test("the bound holds while four times as much passes through, on the disk and in every moment", async () => {
  const bytesMax = 4 * MIB;
  const { directory, cache } = await openCache({ bytesMax });
  let largest = 0;
  for (let i = 0; i < 256; i++) {
    cache.add(blockOf(bytesOf(64 * KIB, i)));
    if (i % 8 === 7) await written(cache);
    largest = Math.max(largest, await bytesOnDisk(directory));
    expect(cache.fileBytes).toBeLessThanOrEqual(bytesMax);
  }
  expect(largest).toBeLessThanOrEqual(bytesMax);
  // It is used: the newest three quarters of the bound are there.
  expect(largest).toBeGreaterThan(bytesMax * 0.75);
  for (let i = 210; i < 256; i++) expect(await holds(cache, blockOf(bytesOf(64 * KIB, i)))).toBe(true);
  expect(cache.has(blockOf(bytesOf(64 * KIB, 0)).cid)).toBe(false);
}, 60_000);

test("16 times the bound of the disk passes through the whole chain, and memory stays flat", async () => {
  const { directory, cache } = await openCache({ bytesMax: 16 * MIB });
  let seed = 0;
  const source = {
    label: "endless",
    retrieve: () => Promise.resolve(bytesOf(128 * KIB, seed)),
  };
  const blocks = new Blocks(
    { vault: new MemoryBlockStore(), cache, sources: [source], metrics: new Metrics() },
    { memoryBytesMax: 4 * MIB },
  );
  const { signal } = new AbortController();
  const before = bytesInUse();
  let largestOnDisk = 0;
  for (seed = 0; seed < 2048; seed++) {
    await blocks.get(blockOf(bytesOf(128 * KIB, seed)).cid, { signal });
    if (seed % 64 !== 0) continue;
    largestOnDisk = Math.max(largestOnDisk, await bytesOnDisk(directory));
    // 4 MiB in memory, and 32 MiB that wait for the disk.
    expect(bytesInUse() - before).toBeLessThan(48 * MIB);
  }
  await written(cache);
  largestOnDisk = Math.max(largestOnDisk, await bytesOnDisk(directory));
  expect(largestOnDisk).toBeLessThanOrEqual(16 * MIB);
  expect(largestOnDisk).toBeGreaterThan(12 * MIB);
}, 60_000);

test("blocks that are read stay while blocks that nobody reads pass through", async () => {
  const { cache } = await openCache({ bytesMax: 4 * MIB });
  const used = blocksOf(8, 32 * KIB, 5_000);
  await addAll(cache, used);
  for (let round = 0; round < 10; round++) {
    for (const block of used) expect(await holds(cache, block)).toBe(true);
    await addAll(cache, blocksOf(32, 64 * KIB, round * 32));
  }
  for (const block of used) expect(await holds(cache, block)).toBe(true);
});

test("when everything is read all the time, the bound still holds and the cache still turns over", async () => {
  const bytesMax = 2 * MIB;
  const { cache } = await openCache({ bytesMax });
  const blocks = blocksOf(128, 32 * KIB);
  for (const block of blocks) {
    await addAll(cache, [block]);
    for (const other of blocks) await cache.get(other.cid);
    expect(cache.fileBytes).toBeLessThanOrEqual(bytesMax);
  }
  expect(cache.has(blocks.at(-1)?.cid as CID)).toBe(true);
}, 60_000);

test("blocks are found by whoever reads while segments are evicted, right or not at all", async () => {
  const { cache, corrupt } = await openCache({ bytesMax: 1 * MIB });
  const blocks = blocksOf(400, 8 * KIB);
  let isDone = false;
  const reader = (async () => {
    const wrong: CID[] = [];
    for (let i = 0; !isDone; i++) {
      const block = blocks[i % blocks.length];
      if (block === undefined) break;
      const held = await cache.get(block.cid);
      // A miss waits for nothing: without this, nobody else would have a turn.
      await new Promise(setImmediate);
      if (held !== undefined && Buffer.compare(held, block.bytes) !== 0) wrong.push(block.cid);
    }
    return wrong;
  })();
  for (let round = 0; round < 3; round++) await addAll(cache, blocks);
  isDone = true;
  expect(await reader).toEqual([]);
  expect(corrupt).toEqual([]);
}, 60_000);

test.for([
  { what: "a changed byte", damage: async (file: string) => writeFile(file, flipped(await readFile(file))) },
  { what: "a truncated file", damage: (file: string) => truncate(file, 100) },
  { what: "an empty file", damage: (file: string) => truncate(file, 0) },
])("R17: $what is a miss that is counted, and forgotten", async ({ damage }) => {
  const { directory, cache, corrupt } = await openCache();
  const block = blockOf(bytesOf(5_000));
  cache.add(block);
  await written(cache);
  await damage(join(directory, "1.blocks"));
  expect(await cache.get(block.cid)).toBeUndefined();
  expect(corrupt).toEqual([block.cid]);
  expect(cache.has(block.cid)).toBe(false);
  cache.add(block);
  await written(cache);
  expect(await holds(cache, block)).toBe(true);
});

test("after a crash that lost the end of a segment, what is left is served and nothing wrong", async () => {
  const { directory, cache } = await openCache();
  const blocks = blocksOf(10, 1000);
  await addAll(cache, blocks);
  await cache[Symbol.asyncDispose]();
  await truncate(join(directory, "1.blocks"), 5_500);
  const list = join(directory, "1.index");
  await truncate(list, (await stat(list)).size - 5);
  const { cache: reopened } = await openCache({ directory });
  const held = await Promise.all(blocks.map((block) => holds(reopened, block)));
  expect(held).toEqual(blocks.map((_, i) => i < 5));
  await addAll(reopened, blocks);
  expect(await Promise.all(blocks.map((block) => holds(reopened, block)))).not.toContain(false);
});

test("a list of any bytes neither stops the start nor gives a wrong block", async () => {
  const directory = await makeFolder();
  const block = blockOf(bytesOf(3_000));
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (list) => {
      await writeFile(join(directory, "1.blocks"), bytesOf(3_000));
      await writeFile(join(directory, "1.index"), list);
      const { cache } = await openCache({ directory });
      const held = await cache.get(block.cid);
      expect(held === undefined || Buffer.compare(held, block.bytes) === 0).toBe(true);
      await cache[Symbol.asyncDispose]();
    }),
    { seed: 7, numRuns: 200 },
  );
});

test("leftovers and files of others in the folder do no harm", async () => {
  const directory = await makeFolder();
  for (const name of ["7.index", "x.blocks", "notes.txt"]) await writeFile(join(directory, name), "?");
  const { cache } = await openCache({ directory });
  cache.add(blockOf("x"));
  await written(cache);
  expect((await readdir(directory)).sort()).toEqual(["1.blocks", "1.index", "notes.txt", "x.blocks"]);
});

test("a bound that was lowered is kept from the start on", async () => {
  const { directory, cache } = await openCache({ bytesMax: 8 * MIB });
  await addAll(cache, blocksOf(60, 100 * KIB));
  await cache[Symbol.asyncDispose]();
  const { cache: smaller } = await openCache({ directory, bytesMax: 2 * MIB });
  expect(smaller.fileBytes).toBeLessThanOrEqual(2 * MIB);
  expect(await bytesOnDisk(directory)).toBeLessThanOrEqual(2 * MIB);
});

test("what is more than can wait is dropped and counted, and memory stays bounded", async () => {
  const { cache, counts } = await openCache({ bytesMax: 256 * MIB });
  const block = bytesOf(4 * MIB);
  for (let i = 0; i < 20; i++) {
    block[0] = i;
    cache.add(blockOf(new Uint8Array(block)));
  }
  expect(cache.waitingBytes).toBeLessThanOrEqual(32 * MIB);
  expect(counts.dropped).toBe(13);
  await written(cache);
  expect(cache.blockCount).toBe(7);
});

test("a block that would push out too much is not kept", async () => {
  const { cache } = await openCache({ bytesMax: 1 * MIB });
  const large = blockOf(bytesOf(32 * KIB));
  cache.add(large);
  expect(cache.has(large.cid)).toBe(false);
});

test("a disk that refuses costs what waited, and nothing else", async () => {
  const { directory, cache, counts } = await openCache({ bytesMax: 1 * MIB });
  await addAll(cache, blocksOf(5, 10 * KIB));
  await rm(directory, { recursive: true });
  const more = blocksOf(10, 10 * KIB, 100);
  await addAll(cache, more);
  expect(counts.failed).toBeGreaterThan(0);
  for (const block of more)
    expect(await cache.get(block.cid).then((b) => b === undefined || b.length)).toBeTruthy();
});

/** Stands where the next segment would be, and is in the way of it as a full disk would be. */
async function blockNextSegment(directory: string): Promise<{ readonly unblock: () => Promise<void> }> {
  const ids = (await readdir(directory)).map((name) => Number.parseInt(name, 10));
  const obstacle = join(directory, `${Math.max(...ids) + 1}.blocks`);
  await mkdir(obstacle);
  return { unblock: () => rm(obstacle, { recursive: true }) };
}

test("a disk that refuses what survives an eviction gets its room back all the same, so the bound holds", async () => {
  const bytesMax = 1 * MIB;
  const { directory, cache, counts, corrupt } = await openCache({ bytesMax });
  for (let round = 0; round < 4; round++) {
    const blocks = blocksOf(160, 8 * KIB, round * 1000);
    await addAll(cache, blocks);
    for (const { cid } of blocks) await cache.get(cid);
    const { unblock } = await blockNextSegment(directory);
    const failedBefore = counts.failed;
    for (const block of blocksOf(16, 8 * KIB, round * 1000 + 500)) await addAll(cache, [block]);
    expect(counts.failed).toBeGreaterThan(failedBefore);
    await unblock();
  }
  await addAll(cache, blocksOf(160, 8 * KIB, 9000));
  expect(await bytesOnDisk(directory)).toBe(cache.fileBytes);
  expect(cache.fileBytes).toBeLessThanOrEqual(bytesMax);
  expect(corrupt).toEqual([]);
}, 60_000);

test("a segment that could not be begun is no reason to refuse what fits into the one before", async () => {
  const { directory, cache, counts } = await openCache({ bytesMax: 1 * MIB });
  await addAll(cache, blocksOf(1, 28 * KIB));
  const { unblock } = await blockNextSegment(directory);
  await addAll(cache, blocksOf(1, 8 * KIB, 100));
  expect(counts.failed).toBe(1);
  await unblock();
  const small = blockOf(bytesOf(1 * KIB, 200));
  await addAll(cache, [small]);
  expect(counts.failed).toBe(1);
  expect(await holds(cache, small)).toBe(true);
});

function flipped(bytes: Buffer): Buffer {
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  return bytes;
}
