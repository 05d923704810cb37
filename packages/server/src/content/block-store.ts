import type { CID } from "multiformats/cid";

export interface Block {
  readonly cid: CID;
  /** Hashes to `cid`; whoever makes a Block has checked it. */
  readonly bytes: Uint8Array;
}

/**
 * Blocks by multihash: the same bytes are found under any codec's CID (R24).
 * Every adapter passes `test/contracts/block-store.contract.ts`.
 */
export interface BlockStore {
  /** The verified bytes, or undefined. A corrupt or truncated copy is a miss, never an answer. */
  get(cid: CID): Promise<Uint8Array | undefined>;
  has(cid: CID): Promise<boolean>;
  /**
   * Stores blocks durably: when it settles, all of them survive a crash of the machine. Idempotent.
   *
   * @throws HoldfastError `STORE_FAILED`; then none, some or all of them may be held, and nothing is half written.
   */
  put(blocks: readonly Block[]): Promise<void>;
}
