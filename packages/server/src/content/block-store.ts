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

/** What a store knows of a block without reading it. */
export interface HeldBlock {
  /** Raw codec, version 1: a store knows only the multihash. */
  readonly cid: CID;
  readonly byteLength: number;
  /** When it was put last, or up to {@link PUT_AT_GRAIN_MS} earlier; ms since the Unix epoch. */
  readonly putAtMs: number;
}

/** Putting again what is held moves its time only when that is older than this: a put of held blocks should write nothing. */
export const PUT_AT_GRAIN_MS = 3_600_000;

/** A block store that gives up what need not stay any more. */
export interface SweepableBlockStore extends BlockStore {
  /**
   * What all blocks take, in bytes, without the overhead of files and pages. Kept up to date, costs nothing to read. After a
   * crash it may be what it was at the last start, until it has been counted again behind.
   */
  readonly heldBytes: number;
  /**
   * Every block that is held, in pages: no lock is held between them. Blocks that are put or deleted meanwhile may or may
   * not be seen.
   *
   * @throws HoldfastError `STORE_FAILED`; the signal's reason when it aborts.
   */
  list(options: { readonly signal: AbortSignal }): AsyncIterable<readonly HeldBlock[]>;
  /**
   * Lets these blocks go, in their order: when it is broken off, also by a kill, none is gone before those that stand before it. One that
   * is not held is a success, and a read at the same time may be a hit or a miss.
   *
   * @throws HoldfastError `STORE_FAILED`; then none, some or all of them may be gone.
   */
  delete(cids: readonly CID[]): Promise<void>;
}
