import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import type { BlockStore } from "../../src/content/block-store.ts";
import { blockOf, bytesOf, cidOf } from "../support/blocks.ts";

export interface OpenedBlockStore {
  readonly store: BlockStore;
  /** Opens it again as after a restart, on the same state if it keeps any. */
  readonly reopen: () => Promise<BlockStore>;
  readonly survivesRestart: boolean;
  readonly dispose?: () => Promise<void>;
}

/** What every `BlockStore` does. `open` gives an empty store. */
export function blockStoreContract(adapter: string, open: () => Promise<OpenedBlockStore>): void {
  const openDisposed = async (): Promise<OpenedBlockStore> => {
    const opened = await open();
    onTestFinished(async () => opened.dispose?.());
    return opened;
  };

  describe(`BlockStore contract: ${adapter}`, () => {
    test("a block that was never put is a miss", async () => {
      const { store } = await openDisposed();
      const { cid } = blockOf("absent");
      expect(await store.get(cid)).toBeUndefined();
      expect(await store.has(cid)).toBe(false);
    });

    test("what was put is there when the put has settled, byte for byte", async () => {
      const { store } = await openDisposed();
      const blocks = [blockOf(""), blockOf("a"), blockOf(bytesOf(1024 * 1024 + 1))];
      await store.put(blocks);
      for (const { cid, bytes } of blocks) {
        expect(Buffer.compare((await store.get(cid)) ?? Buffer.from("miss"), bytes)).toBe(0);
        expect(await store.has(cid)).toBe(true);
      }
    });

    test("R24: the same bytes are found under another codec and version of the CID", async () => {
      const { store } = await openDisposed();
      const { cid, bytes } = blockOf("the same bytes");
      await store.put([{ cid, bytes }]);
      for (const other of [cidOf(bytes, 0x71), cidOf(bytes, 0x70), CID.createV0(cid.multihash as never)]) {
        expect(await store.has(other)).toBe(true);
        expect(Buffer.from((await store.get(other)) ?? [])).toEqual(Buffer.from(bytes));
      }
    });

    test("putting a block again changes nothing, in one call, in a row and at the same time", async () => {
      const { store } = await openDisposed();
      const block = blockOf(bytesOf(300_000, 7));
      await store.put([block, block]);
      await store.put([block]);
      await Promise.all(Array.from({ length: 20 }, () => store.put([block, blockOf("beside it")])));
      expect(Buffer.compare((await store.get(block.cid)) ?? Buffer.from(""), block.bytes)).toBe(0);
    });

    test("it keeps its own bytes: the caller may reuse the buffer", async () => {
      const { store } = await openDisposed();
      const network = Buffer.from("..block..");
      const bytes = network.subarray(2, 7);
      const cid = cidOf(bytes);
      await store.put([{ cid, bytes }]);
      network.fill(0);
      expect(Buffer.from((await store.get(cid)) ?? []).toString()).toBe("block");
    });

    test("an empty list is nothing to do", async () => {
      const { store } = await openDisposed();
      await expect(store.put([])).resolves.toBeUndefined();
    });

    test("blocks are there after a restart if the store promises that", async () => {
      const opened = await openDisposed();
      const blocks = Array.from({ length: 100 }, (_, i) => blockOf(bytesOf(1000 + i, i)));
      await opened.store.put(blocks);
      const store = await opened.reopen();
      for (const { cid, bytes } of blocks) {
        const expected = opened.survivesRestart ? Buffer.from(bytes) : Buffer.alloc(0);
        expect(Buffer.from((await store.get(cid)) ?? [])).toEqual(expected);
      }
    });
  });
}
