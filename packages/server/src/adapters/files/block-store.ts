import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { isBlockOf } from "../../content/block-hash.ts";
import type { Block, HeldBlock, SweepableBlockStore } from "../../content/block-store.ts";
import { BlockFiles } from "./block-files.ts";
import { SmallBlocks } from "./small-blocks.ts";

/** Up to this size a block goes into the database. Measured: above it a file of its own is written and read as fast. */
const SMALL_BYTES_MAX = 64 * 1024;
const SMALL_BLOCKS = "small-blocks.db";

export interface FileBlockStoreOptions {
  /** For a second thread of the process: reads only, sweeps nothing, leaves corrupt copies to the writer. */
  readonly readOnly?: boolean;
  /** Called for each corrupt or truncated copy that was found. Default: nothing. */
  readonly onCorrupt?: (cid: CID) => void;
  /** For the times that blocks were put at. Default: real time. */
  readonly nowMs?: () => number;
}

/**
 * The durable vault in one folder: small blocks share a database and its fsyncs, large ones have a file each
 * (`docs/decisions/0003`). One process writes; other threads of it may read the same folder at the same time and see every
 * block whose put has settled.
 */
export class FileBlockStore implements SweepableBlockStore, AsyncDisposable {
  readonly #files: BlockFiles;
  readonly #small: SmallBlocks;
  readonly #readOnly: boolean;
  readonly #onCorrupt: (cid: CID) => void;
  readonly #nowMs: () => number;

  /** @throws HoldfastError `STORE_FAILED` when the folder cannot be made or written to, or its database not be used. */
  static async open(directory: string, options: FileBlockStoreOptions = {}): Promise<FileBlockStore> {
    const databasePath = join(directory, SMALL_BLOCKS);
    if (options.readOnly === true) {
      return new FileBlockStore(new BlockFiles(directory), new SmallBlocks(databasePath), options);
    }
    try {
      const files = await BlockFiles.create(directory);
      const small = new SmallBlocks(databasePath);
      small.open();
      return new FileBlockStore(files, small, options);
    } catch (cause) {
      throw new HoldfastError("STORE_FAILED", "the block store cannot be opened", { cause });
    }
  }

  private constructor(files: BlockFiles, small: SmallBlocks, options: FileBlockStoreOptions) {
    this.#files = files;
    this.#small = small;
    this.#readOnly = options.readOnly ?? false;
    this.#onCorrupt = options.onCorrupt ?? (() => {});
    this.#nowMs = options.nowMs ?? Date.now;
  }

  /** 0 for a reader. */
  get heldBytes(): number {
    return this.#files.heldBytes + this.#small.heldBytes;
  }

  async get(cid: CID): Promise<Uint8Array | undefined> {
    return (await this.#verified(cid, this.#small)) ?? (await this.#verified(cid, this.#files));
  }

  /** By name only: the bytes are checked when they are read. */
  async has(cid: CID): Promise<boolean> {
    return this.#small.has(cid) || (await this.#files.has(cid));
  }

  async put(blocks: readonly Block[]): Promise<void> {
    this.#assertWriter();
    const small = blocks.filter(({ bytes }) => bytes.byteLength <= SMALL_BYTES_MAX);
    const large = blocks.filter(({ bytes }) => bytes.byteLength > SMALL_BYTES_MAX);
    const nowMs = this.#nowMs();
    await Promise.all([this.#small.put(small, nowMs), this.#files.put(large, nowMs)]);
  }

  async *list(options: { readonly signal: AbortSignal }): AsyncGenerator<readonly HeldBlock[]> {
    for (const page of this.#small.list()) {
      options.signal.throwIfAborted();
      yield page;
      // Pages are read on this thread: the others have their turn between them.
      await setImmediate();
    }
    yield* this.#files.list(options);
  }

  async delete(cids: readonly CID[]): Promise<void> {
    this.#assertWriter();
    let small: CID[] = [];
    const isSmall = new Set(cids.filter((cid) => this.#small.has(cid)));
    for (const cid of cids) {
      if (isSmall.has(cid)) {
        small.push(cid);
        continue;
      }
      await this.#small.delete(small);
      small = [];
      await this.#files.delete([cid]);
    }
    await this.#small.delete(small);
    // An earlier version may have kept a second copy of one in a file.
    await this.#files.delete([...isSmall]);
  }

  /** Settles all that was accepted and closes the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#small[Symbol.asyncDispose]();
    await this.#files.close();
  }

  #assertWriter(): void {
    if (this.#readOnly) throw new HoldfastError("STORE_FAILED", "the block store was opened for reading");
  }

  async #verified(cid: CID, copies: BlockFiles | SmallBlocks): Promise<Uint8Array | undefined> {
    const bytes = await copies.get(cid);
    if (bytes === undefined || isBlockOf(cid, bytes)) return bytes;
    this.#onCorrupt(cid);
    if (!this.#readOnly) await copies.setAsideIfCorrupt(cid);
    return undefined;
  }
}
