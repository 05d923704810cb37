import type { CID } from "multiformats/cid";
import type { Block } from "./block-store.ts";

/**
 * Blocks that are worth keeping but need not be kept: what it holds may be gone at any time. By multihash, as `BlockStore`.
 * Every adapter passes `test/contracts/block-cache.contract.ts`.
 */
export interface BlockCache {
  /** The verified bytes, or undefined. Never throws: what cannot be read is a miss, and is forgotten. */
  get(cid: CID): Promise<Uint8Array | undefined>;
  /** Whether {@link get} would look for its bytes. */
  has(cid: CID): boolean;
  /** Takes a block in behind the caller's back, or drops it when too much is waiting. The bytes must not be changed. */
  add(block: Block): void;
}
