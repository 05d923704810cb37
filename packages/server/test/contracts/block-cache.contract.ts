import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import type { BlockCache } from "../../src/content/block-cache.ts";
import { blockOf, bytesOf, cidOf } from "../support/blocks.ts";

export interface OpenedBlockCache {
  /** Has room for at least 1 MiB. */
  readonly cache: BlockCache;
  readonly dispose?: () => Promise<void>;
}

/** What every `BlockCache` does. `open` gives an empty one. */
export function blockCacheContract(adapter: string, open: () => Promise<OpenedBlockCache>): void {
  const openDisposed = async (): Promise<BlockCache> => {
    const { cache, dispose } = await open();
    onTestFinished(async () => dispose?.());
    return cache;
  };

  describe(`BlockCache contract: ${adapter}`, () => {
    test("a block that was never added is a miss", async () => {
      const cache = await openDisposed();
      const { cid } = blockOf("absent");
      expect(cache.has(cid)).toBe(false);
      expect(await cache.get(cid)).toBeUndefined();
    });

    test("what was added is there at once, byte for byte, also when it is added twice", async () => {
      const cache = await openDisposed();
      const blocks = [blockOf(""), blockOf("a"), blockOf(bytesOf(100_000)), blockOf("a")];
      for (const block of blocks) cache.add(block);
      for (const { cid, bytes } of blocks) {
        expect(cache.has(cid)).toBe(true);
        expect(Buffer.from((await cache.get(cid)) ?? "miss").equals(bytes)).toBe(true);
      }
    });

    test("R24: the same bytes are found under another codec and version of the CID", async () => {
      const cache = await openDisposed();
      const block = blockOf("the same bytes");
      cache.add(block);
      for (const other of [cidOf(block.bytes, 0x71), CID.createV0(block.cid.multihash as never)]) {
        expect(cache.has(other)).toBe(true);
        expect(Buffer.from((await cache.get(other)) ?? []).equals(block.bytes)).toBe(true);
      }
    });

    test("more than it has room for pushes out what was there, and nothing fails", async () => {
      const cache = await openDisposed();
      const blocks = Array.from({ length: 200 }, (_, i) => blockOf(bytesOf(100_000, i)));
      for (const [i, block] of blocks.entries()) {
        cache.add(block);
        if (i % 10 === 9) await new Promise(setImmediate);
      }
      const held = await Promise.all(blocks.map(({ cid }) => cache.get(cid)));
      for (const [i, bytes] of held.entries()) {
        const isRight =
          bytes === undefined || Buffer.compare(bytes, blocks[i]?.bytes ?? Buffer.from("?")) === 0;
        expect(isRight).toBe(true);
      }
      expect(held.filter((bytes) => bytes !== undefined).length).toBeGreaterThan(5);
    });
  });
}
