import { CID } from "multiformats/cid";
import { blockKeyOf } from "../../content/block-hash.ts";
import {
  type Block,
  type HeldBlock,
  PUT_AT_GRAIN_MS,
  type SweepableBlockStore,
} from "../../content/block-store.ts";

const RAW_CODEC = 0x55;
const PAGE_BLOCKS = 100;

interface Held {
  readonly cid: CID;
  readonly bytes: Uint8Array;
  readonly putAtMs: number;
}

/** Blocks in a Map: for tests and for `offline` experiments. As durable as the process. */
export class MemoryBlockStore implements SweepableBlockStore {
  readonly #held = new Map<string, Held>();
  readonly #nowMs: () => number;
  #heldBytes = 0;

  constructor({ nowMs = Date.now }: { readonly nowMs?: () => number } = {}) {
    this.#nowMs = nowMs;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get(cid: CID): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#held.get(blockKeyOf(cid))?.bytes);
  }

  has(cid: CID): Promise<boolean> {
    return Promise.resolve(this.#held.has(blockKeyOf(cid)));
  }

  put(blocks: readonly Block[]): Promise<void> {
    const putAtMs = this.#nowMs();
    for (const { cid, bytes } of blocks) {
      const key = blockKeyOf(cid);
      const before = this.#held.get(key);
      if (before !== undefined && before.putAtMs >= putAtMs - PUT_AT_GRAIN_MS) continue;
      this.#heldBytes += bytes.byteLength - (before?.bytes.byteLength ?? 0);
      // Copied: the caller may hand in a view of a network buffer and reuse it.
      this.#held.set(key, {
        cid: CID.createV1(RAW_CODEC, cid.multihash),
        bytes: new Uint8Array(bytes),
        putAtMs,
      });
    }
    return Promise.resolve();
  }

  async *list({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<readonly HeldBlock[]> {
    const all = [...this.#held.values()];
    for (let at = 0; at < all.length; at += PAGE_BLOCKS) {
      signal.throwIfAborted();
      yield all
        .slice(at, at + PAGE_BLOCKS)
        .map(({ cid, bytes, putAtMs }) => ({ cid, byteLength: bytes.byteLength, putAtMs }));
    }
  }

  delete(cids: readonly CID[]): Promise<void> {
    for (const cid of cids) {
      const key = blockKeyOf(cid);
      this.#heldBytes -= this.#held.get(key)?.bytes.byteLength ?? 0;
      this.#held.delete(key);
    }
    return Promise.resolve();
  }
}
