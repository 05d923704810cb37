import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { blockKeyOf } from "./block-hash.ts";
import type { Block, BlockStore } from "./block-store.ts";

const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_BLOCKS = 256;

/**
 * Collects the blocks of one import and puts them in the vault in batches, so that many blocks share their fsyncs and a
 * file of any size needs the memory of a batch. Nothing is promised before {@link finish} has settled.
 */
export class BlockBatch {
  readonly #vault: BlockStore;
  readonly #blockCountMax: number;
  readonly #cids = new Map<string, CID>();
  #pending = new Map<string, Block>();
  #pendingBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(vault: BlockStore, options: { readonly blockCountMax: number }) {
    this.#vault = vault;
    this.#blockCountMax = options.blockCountMax;
  }

  /** Distinct blocks so far, in the order in which they were made. */
  get cids(): readonly CID[] {
    return [...this.#cids.values()];
  }

  /** Waits while a batch is being written, which is what slows a fast upload down to the disk's pace. */
  async put(cid: CID, bytes: Uint8Array): Promise<void> {
    const key = blockKeyOf(cid);
    if (this.#cids.has(key)) return;
    if (this.#cids.size >= this.#blockCountMax) {
      throw new HoldfastError("INVALID_ARGUMENT", `this would make more than ${this.#blockCountMax} blocks`);
    }
    this.#cids.set(key, cid);
    this.#pending.set(key, { cid, bytes });
    this.#pendingBytes += bytes.byteLength;
    if (this.#pendingBytes >= BATCH_BYTES || this.#pending.size >= BATCH_BLOCKS) await this.#flush();
  }

  /** Settles when every block is durable. @throws HoldfastError `STORE_FAILED`. */
  async finish(): Promise<void> {
    await this.#flush();
  }

  /** One batch is written while the next one fills; a second full one waits. */
  async #flush(): Promise<void> {
    const blocks = [...this.#pending.values()];
    this.#pending = new Map();
    this.#pendingBytes = 0;
    const before = this.#writing;
    this.#writing = before.then(() => this.#vault.put(blocks));
    // A failure is seen by every later flush, which waits for this one; this keeps it from being an unhandled rejection.
    this.#writing.catch(() => {});
    await this.#writing;
  }
}
