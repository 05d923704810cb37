import type { Block, BlockStore } from "../../content/block-store.ts";
import { blockTooLarge } from "../../content/dag-block-limits.ts";

const BATCH_BYTES = 1024 * 1024;
const BATCH_BLOCKS = 1000;

/** The blocks of one request, put in batches so that they share their fsyncs. */
export class BlockUpload {
  readonly #vault: BlockStore;
  #batch: Block[] = [];
  #batchBytes = 0;

  constructor({ vault }: { readonly vault: BlockStore }) {
    this.#vault = vault;
  }

  async add(block: Block): Promise<void> {
    this.#batch.push(block);
    this.#batchBytes += block.bytes.byteLength;
    if (this.#batchBytes >= BATCH_BYTES || this.#batch.length >= BATCH_BLOCKS) await this.finish();
  }

  /** Settles when every block is durable. @throws HoldfastError `STORE_FAILED`. */
  async finish(): Promise<void> {
    const blocks = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (blocks.length > 0) await this.#vault.put(blocks);
  }
}

/** The whole content of a part, in a buffer of its own. @throws HoldfastError `BODY_TOO_LARGE`; whatever the part throws. */
export async function readPart(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let partBytes = 0;
  for await (const chunk of chunks) {
    partBytes += chunk.byteLength;
    if (partBytes > bytesMax) throw blockTooLarge(bytesMax);
    pieces.push(chunk);
  }
  const bytes = new Uint8Array(partBytes);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}
