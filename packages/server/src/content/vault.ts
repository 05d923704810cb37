import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Block, BlockStore, HeldBlock, SweepableBlockStore } from "./block-store.ts";
import { PutLog } from "./put-log.ts";

/** Room comes back when pins are confirmed or garbage is collected: neither takes less than this. */
const RETRY_AFTER_S = 30;

export interface VaultParts {
  readonly store: SweepableBlockStore;
  readonly metrics: Pick<Metrics, "content">;
  /** Default: one with the usual bound. */
  readonly log?: PutLog;
  /** Told about the first of the puts in a row that could not be written; whoever put one is told of each. */
  readonly onPutFailed?: (err: unknown) => void;
}

export interface VaultOptions {
  /** Bound on all blocks together; 0: as much as the disk takes. */
  readonly bytesMax: number;
}

/**
 * The durable blocks of this node, within a bound, for those who write them and those who sweep them.
 *
 * Writing goes through a lease that lasts until what keeps the blocks (a pin) is committed; no sweep deletes a block that
 * was put, or found, since the oldest open lease began.
 */
export class Vault implements Pick<BlockStore, "get" | "has"> {
  readonly #store: SweepableBlockStore;
  readonly #log: PutLog;
  readonly #metrics: Pick<Metrics, "content">;
  readonly #onPutFailed: (err: unknown) => void;
  #isRefusingWrites = false;
  /** 0: none. */
  readonly bytesMax: number;
  /** Being put now. */
  #incomingBytes = 0;

  constructor(
    { store, metrics, log = new PutLog(), onPutFailed = () => undefined }: VaultParts,
    { bytesMax }: VaultOptions,
  ) {
    this.#store = store;
    this.#metrics = metrics;
    this.#log = log;
    this.#onPutFailed = onPutFailed;
    this.bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#store.heldBytes;
  }

  /** Whether writes are refused; reads go on. */
  get isFull(): boolean {
    return !this.#hasRoomFor(1);
  }

  /** Whether the disk refused the last put: true until one succeeds. The bound has no part in it. */
  get isRefusingWrites(): boolean {
    return this.#isRefusingWrites;
  }

  get(cid: CID): Promise<Uint8Array | undefined> {
    return this.#store.get(cid);
  }

  has(cid: CID): Promise<boolean> {
    return this.#store.has(cid);
  }

  /**
   * Before anything of a write is taken.
   *
   * @param incomingBytes what is announced to come, as far as that is known.
   * @throws HoldfastError `OVERLOADED` when that cannot fit.
   */
  assertRoom(incomingBytes = 1): void {
    if (!this.#hasRoomFor(Math.max(1, incomingBytes))) throw this.#full();
  }

  /** For whoever writes, or decides by what is here. To be disposed when what keeps the blocks is committed, or nothing will. */
  begin(): VaultLease {
    return new VaultLease(this.#log, {
      get: (cid) => this.#store.get(cid),
      has: (cid) => this.#store.has(cid),
      put: (blocks) => this.#put(blocks),
    });
  }

  /** As `SweepableBlockStore.list`. */
  list(options: { readonly signal: AbortSignal }): AsyncIterable<readonly HeldBlock[]> {
    return this.#store.list(options);
  }

  /**
   * For a sweep, from before it decides what may go. Until it is disposed, what is in use now and what comes into use
   * meanwhile stays in use.
   */
  watch(): Disposable {
    return this.#log.watch();
  }

  /** Whether it was put or found since the oldest open lease began. */
  isInUse(cid: CID): boolean {
    return this.#log.isTouched(cid);
  }

  /** Deletes those that are not in use. @returns which those were. @throws HoldfastError `STORE_FAILED`. */
  deleteUnused(cids: readonly CID[]): Promise<readonly CID[]> {
    return this.#log.deleteUntouched(cids, (free) => this.#store.delete(free));
  }

  async #put(blocks: readonly Block[]): Promise<void> {
    let bytes = byteLengthOf(blocks);
    if (!this.#hasRoomFor(bytes)) {
      // What is held already needs no room, and its put may be the repair of a corrupt copy.
      bytes = byteLengthOf(await this.#missing(blocks));
      if (bytes > 0 && !this.#hasRoomFor(bytes)) throw this.#full();
    }
    this.#incomingBytes += bytes;
    try {
      await this.#store.put(blocks);
      this.#isRefusingWrites = false;
    } catch (err) {
      // That too many wait is no fault of the disk.
      if (!(isHoldfastError(err) && err.code === "STORE_FAILED")) throw err;
      if (!this.#isRefusingWrites) this.#onPutFailed(err);
      this.#isRefusingWrites = true;
      throw err;
    } finally {
      this.#incomingBytes -= bytes;
    }
  }

  async #missing(blocks: readonly Block[]): Promise<Block[]> {
    const held = await Promise.all(blocks.map(({ cid }) => this.#store.has(cid)));
    return blocks.filter((_, index) => held[index] === false);
  }

  #hasRoomFor(bytes: number): boolean {
    return this.bytesMax === 0 || this.heldBytes + this.#incomingBytes + bytes <= this.bytesMax;
  }

  #full(): HoldfastError {
    this.#metrics.content.vaultWritesRefused++;
    const message = `the vault is full: ${this.heldBytes} of ${this.bytesMax} bytes are taken`;
    return new HoldfastError("OVERLOADED", message, {
      details: { reason: "VAULT_FULL", retryAfterS: RETRY_AFTER_S },
    });
  }
}

/** The vault as one writer sees it. What it looks up or puts stays at least until it is disposed. */
export class VaultLease implements BlockStore, Disposable {
  readonly #log: PutLog;
  readonly #store: BlockStore;
  readonly #lease: Disposable;

  constructor(log: PutLog, store: BlockStore) {
    this.#log = log;
    this.#store = store;
    this.#lease = log.begin();
  }

  async get(cid: CID): Promise<Uint8Array | undefined> {
    await this.#log.touch([cid]);
    return this.#store.get(cid);
  }

  async has(cid: CID): Promise<boolean> {
    await this.#log.touch([cid]);
    return this.#store.has(cid);
  }

  /** @throws HoldfastError `OVERLOADED` when the vault is full, before any of them is stored; `STORE_FAILED`. */
  async put(blocks: readonly Block[]): Promise<void> {
    await this.#log.touch(blocks.map(({ cid }) => cid));
    await this.#store.put(blocks);
  }

  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]();
  }
}

function byteLengthOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
}
