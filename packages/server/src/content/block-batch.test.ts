import { expect, test } from "vitest";
import { blockOf, bytesOf } from "../../test/support/blocks.ts";
import { BlockBatch } from "./block-batch.ts";
import type { Block, BlockStore } from "./block-store.ts";

class RecordingStore implements BlockStore {
  readonly puts: (readonly Block[])[] = [];
  failure: Error | undefined;

  get(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  has(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async put(blocks: readonly Block[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.puts.push(blocks);
    return Promise.resolve();
  }
}

test("blocks are put together, each once, and all by the end", async () => {
  const store = new RecordingStore();
  const batch = new BlockBatch(store, { blockCountMax: 10_000 });
  const blocks = Array.from({ length: 600 }, (_, i) => blockOf(bytesOf(8, i % 500)));
  for (const { cid, bytes } of blocks) await batch.put(cid, bytes);
  await batch.finish();
  expect(store.puts.length).toBeLessThan(5);
  expect(store.puts.flat()).toHaveLength(500);
  expect(batch.cids).toHaveLength(500);
});

test("a batch never holds much more than its bytes", async () => {
  const store = new RecordingStore();
  const batch = new BlockBatch(store, { blockCountMax: 100 });
  for (let i = 0; i < 32; i++) {
    const { cid, bytes } = blockOf(bytesOf(1024 * 1024, i));
    await batch.put(cid, bytes);
  }
  await batch.finish();
  for (const put of store.puts) {
    expect(put.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)).toBeLessThanOrEqual(5 * 1024 * 1024);
  }
});

test("too many blocks are refused, and so is everything after a failed write", async () => {
  const full = new BlockBatch(new RecordingStore(), { blockCountMax: 2 });
  const [a, b, c] = [blockOf("a"), blockOf("b"), blockOf("c")];
  for (const { cid, bytes } of [a, b, a]) await full.put(cid, bytes);
  await expect(full.put(c.cid, c.bytes)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });

  const store = new RecordingStore();
  const batch = new BlockBatch(store, { blockCountMax: 2 });
  store.failure = new Error("the disk refuses");
  await batch.put(a.cid, a.bytes);
  await expect(batch.finish()).rejects.toThrow("the disk refuses");
  store.failure = undefined;
  await expect(batch.finish()).rejects.toThrow("the disk refuses");
});
