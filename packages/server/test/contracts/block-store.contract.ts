import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import { type HeldBlock, PUT_AT_GRAIN_MS, type SweepableBlockStore } from "../../src/content/block-store.ts";
import { blockOf, bytesOf, cidOf } from "../support/blocks.ts";
import { until } from "../support/until.ts";

export interface OpenedBlockStore {
  readonly store: SweepableBlockStore;
  /** Opens it again as after a restart, on the same state if it keeps any. */
  readonly reopen: () => Promise<SweepableBlockStore>;
  readonly survivesRestart: boolean;
  readonly dispose?: () => Promise<void>;
}

/** What every `SweepableBlockStore` does. `open` gives an empty store whose time is `nowMs`. */
export function blockStoreContract(
  adapter: string,
  open: (nowMs: () => number) => Promise<OpenedBlockStore>,
): void {
  const openDisposed = async (nowMs: () => number = Date.now): Promise<OpenedBlockStore> => {
    const opened = await open(nowMs);
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

    test("what was deleted is gone, and counted no more; what is not held is deleted as well", async () => {
      const { store } = await openDisposed();
      const [small, large, other] = [blockOf(bytesOf(900, 1)), blockOf(bytesOf(90_000, 2)), blockOf("stays")];
      await store.put([small, large, other, small]);
      expect(store.heldBytes).toBe(90_905);
      await store.delete([cidOf(small.bytes, 0x71), large.cid, blockOf("absent").cid]);
      expect(await store.has(small.cid)).toBe(false);
      expect(await store.get(large.cid)).toBeUndefined();
      expect(await store.has(other.cid)).toBe(true);
      expect(store.heldBytes).toBe(5);
      await store.delete([small.cid, large.cid]);
      expect(store.heldBytes).toBe(5);
      await store.put([large]);
      expect(Buffer.compare((await store.get(large.cid)) ?? Buffer.from("miss"), large.bytes)).toBe(0);
      expect(store.heldBytes).toBe(90_005);
    });

    test("deleting from an empty store is nothing to do", async () => {
      const { store } = await openDisposed();
      await store.delete([]);
      await store.delete([blockOf("a").cid, blockOf(bytesOf(70_000)).cid]);
      expect(store.heldBytes).toBe(0);
      expect(await listed(store)).toEqual([]);
    });

    test("lists every block once, with its size and when it was put, as CIDs of raw blocks", async () => {
      const { store } = await openDisposed(() => 1_700_000_000_000);
      const blocks = Array.from({ length: 600 }, (_, i) => blockOf(bytesOf(i % 50 === 0 ? 70_000 : 20, i)));
      await store.put(blocks);
      const found = await listed(store);
      expect(found.map(({ cid }) => cid.toString()).toSorted()).toEqual(
        blocks.map(({ cid }) => cid.toString()).toSorted(),
      );
      expect(found.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(store.heldBytes);
      expect(new Set(found.map(({ putAtMs }) => putAtMs))).toEqual(new Set([1_700_000_000_000]));
    });

    test("listing stops when its signal aborts", async () => {
      const { store } = await openDisposed();
      await store.put([blockOf("a"), blockOf(bytesOf(70_000))]);
      const signal = AbortSignal.abort(new Error("enough"));
      await expect(listed(store, signal)).rejects.toThrow("enough");
    });

    test("blocks may be put and deleted while they are listed", async () => {
      const { store } = await openDisposed();
      const blocks = Array.from({ length: 600 }, (_, i) => blockOf(bytesOf(i % 20 === 0 ? 70_000 : 20, i)));
      await store.put(blocks);
      const seen = new Set<string>();
      for await (const page of store.list({ signal: new AbortController().signal })) {
        for (const { cid } of page) seen.add(cid.toString());
        await store.delete(page.map(({ cid }) => cid));
        await store.put([blockOf(`new ${seen.size}`)]);
      }
      for (const { cid } of blocks) expect(seen).toContain(cid.toString());
      for (const { cid } of blocks) expect(await store.has(cid)).toBe(false);
    });

    test("a block that is put again counts as put now, to the hour", async () => {
      let nowMs = 1_700_000_000_000;
      const { store } = await openDisposed(() => nowMs);
      const blocks = [blockOf("small"), blockOf(bytesOf(70_000))];
      await store.put(blocks);
      nowMs += PUT_AT_GRAIN_MS + 1;
      await store.put(blocks);
      expect((await listed(store)).map(({ putAtMs }) => putAtMs)).toEqual([nowMs, nowMs]);
    });

    test("reads while a block is deleted are hits or misses, and never fail", async () => {
      const { store } = await openDisposed();
      const blocks = [blockOf("small"), blockOf(bytesOf(70_000))];
      for (let round = 0; round < 10; round++) {
        await store.put(blocks);
        const reads = Array.from({ length: 20 }, (_, i) => store.get((blocks[i % 2] ?? blockOf("")).cid));
        await store.delete(blocks.map(({ cid }) => cid));
        for (const bytes of await Promise.all(reads))
          expect([undefined, 5, 70_000]).toContain(bytes?.byteLength);
      }
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
      const heldBytes = blocks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
      await until(() => expect(store.heldBytes).toBe(opened.survivesRestart ? heldBytes : 0));
    });
  });
}

async function listed(
  store: SweepableBlockStore,
  signal = new AbortController().signal,
): Promise<readonly HeldBlock[]> {
  const all: HeldBlock[] = [];
  for await (const page of store.list({ signal })) all.push(...page);
  return all;
}
