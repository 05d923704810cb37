import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { blockKeyOf, IDENTITY_CODE } from "./block-hash.ts";
import type { Block, BlockStore } from "./block-store.ts";
import { CarReader } from "./car-reader.ts";

/** Blocks share the fsyncs of a batch; one is written while the next one fills. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_BLOCKS = 1000;

export interface CarImportParts {
  readonly vault: BlockStore;
  /** Told after each batch what is durable now; must not throw or wait. */
  readonly onStored?: (cids: readonly CID[]) => void;
}

/** The CARs of one request: every block of them is stored, reachable from a root or not. */
export class CarImport {
  readonly #parts: CarImportParts;
  readonly #blockBytesMax: number;
  readonly #roots = new Map<string, CID>();
  #batch = new Map<string, Block>();
  #batchBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #blockCount = 0;
  #blockBytes = 0;

  constructor(parts: CarImportParts, options: { readonly blockBytesMax: number }) {
    this.#parts = parts;
    this.#blockBytesMax = options.blockBytesMax;
  }

  /** Distinct ones of all CARs, in their order. */
  get roots(): readonly CID[] {
    return [...this.#roots.values()];
  }

  /** As Kubo counts: a block that comes twice counts twice. */
  get stats(): { readonly blockCount: number; readonly blockBytes: number } {
    return { blockCount: this.#blockCount, blockBytes: this.#blockBytes };
  }

  /**
   * Reads one CAR while it streams in. Blocks before an error may be stored, the one that it is about never is.
   *
   * @throws HoldfastError as {@link CarReader}, with the last good block in the message; `STORE_FAILED`; whatever `chunks` throws.
   */
  async read(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const car = await CarReader.open(chunks, { blockBytesMax: this.#blockBytesMax });
    for (const root of car.roots) this.#roots.set(root.toString(), root);
    let last: CID | undefined;
    try {
      for await (const block of car.blocks()) {
        await this.#take(block);
        last = block.cid;
      }
    } catch (err) {
      throw withPlace(err, last);
    }
  }

  /** Settles when every block is durable. @throws HoldfastError `STORE_FAILED`. */
  async finish(): Promise<void> {
    await this.#startWriting();
    await this.#writing;
  }

  async #take(block: Block): Promise<void> {
    const { cid, bytes } = block;
    this.#blockCount++;
    this.#blockBytes += bytes.byteLength;
    // Such a CID carries its bytes itself.
    if (cid.multihash.code === IDENTITY_CODE) return;
    const key = blockKeyOf(cid);
    if (this.#batch.has(key)) return;
    this.#batch.set(key, block);
    this.#batchBytes += bytes.byteLength;
    if (this.#batchBytes >= BATCH_BYTES || this.#batch.size >= BATCH_BLOCKS) await this.#startWriting();
  }

  /** Waits for the batch before, which is what slows a fast upload down to the disk's pace. */
  async #startWriting(): Promise<void> {
    await this.#writing;
    const blocks = [...this.#batch.values()];
    if (blocks.length === 0) return;
    this.#batch = new Map();
    this.#batchBytes = 0;
    this.#writing = this.#write(blocks);
    // A failure is seen by whoever waits next; this keeps it from being an unhandled rejection.
    this.#writing.catch(() => {});
  }

  async #write(blocks: readonly Block[]): Promise<void> {
    await this.#parts.vault.put(blocks);
    this.#parts.onStored?.(blocks.map(({ cid }) => cid));
  }
}

function withPlace(err: unknown, last: CID | undefined): unknown {
  if (!isHoldfastError(err) || err.details["reason"] !== "CAR_INVALID") return err;
  const place = last === undefined ? "import failed" : `import failed after block "${last.toString()}"`;
  return new HoldfastError(err.code, `${place}: ${err.message}`, { cause: err, details: err.details });
}
