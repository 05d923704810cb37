import type { CID } from "multiformats/cid";
import { blockKeyOf } from "../../content/block-hash.ts";
import type { Block, BlockStore } from "../../content/block-store.ts";

/** Blocks in a Map: for tests and for `offline` experiments. As durable as the process. */
export class MemoryBlockStore implements BlockStore {
  readonly #bytesByKey = new Map<string, Uint8Array>();

  get(cid: CID): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#bytesByKey.get(blockKeyOf(cid)));
  }

  has(cid: CID): Promise<boolean> {
    return Promise.resolve(this.#bytesByKey.has(blockKeyOf(cid)));
  }

  put(blocks: readonly Block[]): Promise<void> {
    // Copied: the caller may hand in a view of a network buffer and reuse it.
    for (const { cid, bytes } of blocks) this.#bytesByKey.set(blockKeyOf(cid), new Uint8Array(bytes));
    return Promise.resolve();
  }
}
