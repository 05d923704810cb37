import type { CID } from "multiformats/cid";
import { LRUCache } from "lru-cache";
import type { BlockCache } from "../../content/block-cache.ts";
import { blockKeyOf } from "../../content/block-hash.ts";
import type { Block } from "../../content/block-store.ts";

/** A cache that lives as long as the process. */
export class MemoryBlockCache implements BlockCache {
  readonly #blocks: LRUCache<string, Uint8Array>;

  constructor(options: { readonly bytesMax: number }) {
    this.#blocks = new LRUCache({
      maxSize: options.bytesMax,
      sizeCalculation: (bytes) => bytes.byteLength + 1,
    });
  }

  get(cid: CID): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#blocks.get(blockKeyOf(cid)));
  }

  has(cid: CID): boolean {
    return this.#blocks.has(blockKeyOf(cid));
  }

  add({ cid, bytes }: Block): void {
    this.#blocks.set(blockKeyOf(cid), bytes);
  }
}
