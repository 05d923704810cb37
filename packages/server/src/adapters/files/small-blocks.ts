import { existsSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Worker } from "node:worker_threads";
import { HoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { decode as decodeDigest } from "multiformats/hashes/digest";
import type { Block, HeldBlock } from "../../content/block-store.ts";
import { spawnThread } from "../threads/spawn-thread.ts";
import { heldBytesOf, openForReading, openForWriting } from "./small-blocks-database.ts";
import {
  type FromSmallBlocksThread,
  packBlocks,
  type SmallBlocksThreadOptions,
  type ToSmallBlocksThread,
} from "./small-blocks-messages.ts";

/** Bytes with the writer thread. Imports wait for their puts one by one, so only very many at once get there. */
const WAITING_BYTES_MAX = 256 * 1024 * 1024;

const RAW_CODEC = 0x55;
/** Read at once: less than a millisecond. */
const PAGE_BLOCKS = 250;

interface Reader {
  readonly db: DatabaseSync;
  readonly bytes: StatementSync;
  readonly name: StatementSync;
  readonly page: StatementSync;
}

interface PageRow {
  readonly id: number;
  readonly multihash: Uint8Array;
  readonly put_at_ms: number;
  readonly byte_length: number;
}

interface Waiting {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (err: HoldfastError) => void;
}

/**
 * Blocks in one SQLite database: a file and two fsyncs each would make 10,000 small blocks take half a minute
 * (`docs/decisions/0003`). A thread of its own is the only writer and puts what waits into one commit; reads are
 * synchronous, on a read-only connection that any thread may have.
 */
export class SmallBlocks implements AsyncDisposable {
  readonly #databasePath: string;
  #reader: Reader | undefined;
  #writer: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  readonly #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  #nextId = 0;
  #isClosing = false;
  #heldBytes = 0;

  /** The database is made by the first put; until then every read is a miss. */
  constructor(databasePath: string) {
    this.#databasePath = databasePath;
  }

  /** For the writer, before anything else. @throws Error whatever SQLite says when there is a database that cannot be used. */
  open(): void {
    if (!existsSync(this.#databasePath)) return;
    using db = openForWriting(this.#databasePath);
    this.#heldBytes = heldBytesOf(db);
  }

  /** What all blocks take; only whoever writes knows it. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The bytes as they are stored, unverified. @throws HoldfastError `STORE_FAILED`. */
  get(cid: CID): Uint8Array | undefined {
    return this.#read("bytes", cid)?.bytes;
  }

  /** By name only. @throws HoldfastError `STORE_FAILED`. */
  has(cid: CID): boolean {
    return this.#read("name", cid) !== undefined;
  }

  /** Settles when all are on the disk; none is when it fails. @throws HoldfastError `STORE_FAILED`, `OVERLOADED`. */
  async put(blocks: readonly Block[], nowMs: number): Promise<void> {
    if (blocks.length === 0) return;
    const packed = packBlocks(blocks.map(({ cid, bytes }) => [cid.multihash.bytes, bytes]));
    const { content, lengths } = packed;
    await this.#run({ kind: "put", id: this.#nextId++, blocks: packed, nowMs }, content.byteLength, [
      content.buffer,
      lengths.buffer,
    ]);
  }

  /** Settles when none of them is on the disk any more; all are when it fails. @throws as {@link put}. */
  async delete(cids: readonly CID[]): Promise<void> {
    // Not even a thread for a database that was never made.
    if (cids.length === 0 || (this.#writer === undefined && !existsSync(this.#databasePath))) return;
    const packed = packBlocks(cids.map(({ multihash }) => [multihash.bytes, NO_BYTES]));
    const { content, lengths } = packed;
    await this.#run({ kind: "delete", id: this.#nextId++, blocks: packed }, content.byteLength, [
      content.buffer,
      lengths.buffer,
    ]);
  }

  /** As `SweepableBlockStore.list`. */
  *list(): Generator<readonly HeldBlock[]> {
    let afterId = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const page = this.#readPage(afterId);
      const last = page.at(-1);
      if (last === undefined) return;
      afterId = last.id;
      yield page;
    }
  }

  /** Moves the stored copy away unless a put has repaired it by then. */
  async setAsideIfCorrupt(cid: CID): Promise<void> {
    const multihash = new Uint8Array(cid.multihash.bytes);
    try {
      await this.#run({ kind: "set-aside", id: this.#nextId++, multihash }, 0, []);
    } catch {
      // Nothing more can be done on a disk that refuses; the read is a miss either way and was counted.
    }
  }

  /** Settles all that was accepted, checkpoints and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.#writer?.ref();
    this.#post({ kind: "close" }, []);
    await this.#exited;
    this.#reader?.db.close();
    this.#reader = undefined;
  }

  #read(what: "bytes" | "name", cid: CID): { readonly bytes: Uint8Array } | undefined {
    try {
      return this.#open()?.[what].get(cid.multihash.bytes) as { readonly bytes: Uint8Array } | undefined;
    } catch (cause) {
      // Where the block should be is something else: no bytes, which hash to no block but the empty one.
      if (isCorruption(cause)) return { bytes: new Uint8Array() };
      throw new HoldfastError("STORE_FAILED", "a block could not be read", { cause });
    }
  }

  #readPage(afterId: number): readonly (HeldBlock & { readonly id: number })[] {
    try {
      const rows = (this.#open()?.page.all(afterId) ?? []) as unknown as readonly PageRow[];
      return rows.map((row) => ({
        id: row.id,
        cid: CID.createV1(RAW_CODEC, decodeDigest(row.multihash)),
        byteLength: row.byte_length,
        putAtMs: row.put_at_ms,
      }));
    } catch (cause) {
      throw new HoldfastError("STORE_FAILED", "the blocks could not be listed", { cause });
    }
  }

  #open(): Reader | undefined {
    if (this.#reader !== undefined || this.#isClosing || !existsSync(this.#databasePath)) return this.#reader;
    const db = openForReading(this.#databasePath);
    try {
      const bytes = db.prepare("SELECT bytes FROM blocks WHERE multihash = ?");
      const name = db.prepare("SELECT 1 FROM blocks WHERE multihash = ?");
      const page = db.prepare(`
        SELECT id, multihash, put_at_ms, length(bytes) AS byte_length FROM blocks
        WHERE id > ? ORDER BY id LIMIT ${PAGE_BLOCKS}`);
      this.#reader = { db, bytes, name, page };
    } catch {
      // Its tables are just being made.
      db.close();
    }
    return this.#reader;
  }

  async #run(
    message: ToSmallBlocksThread & { readonly id: number },
    bytes: number,
    transfer: ArrayBuffer[],
  ): Promise<void> {
    if (this.#isClosing) throw new HoldfastError("SHUTTING_DOWN", "the block store is closing");
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      throw new HoldfastError("OVERLOADED", "too many blocks wait for the disk");
    }
    await new Promise<void>((resolve, reject) => {
      this.#writer ??= this.#spawn();
      // The thread keeps the process alive as long as somebody waits for it, and no longer.
      if (this.#waiting.size === 0) this.#writer.ref();
      this.#waiting.set(message.id, { bytes, resolve, reject });
      this.#waitingBytes += bytes;
      this.#post(message, transfer);
    });
  }

  #post(message: ToSmallBlocksThread, transfer: ArrayBuffer[]): void {
    this.#writer?.postMessage(message, transfer);
  }

  /** Started by the first put, and again by the next one should it die: what was committed is in the file. */
  #spawn(): Worker {
    const workerData: SmallBlocksThreadOptions = { databasePath: this.#databasePath };
    const worker = spawnThread("./small-blocks-thread", import.meta.url, { workerData });
    worker.on("message", (message: FromSmallBlocksThread) => {
      if (message.kind === "done") this.#heldBytes = message.heldBytes;
      for (const id of message.ids) this.#settle(id, message);
      if (this.#waiting.size === 0 && !this.#isClosing) worker.unref();
    });
    let cause: Error | undefined;
    worker.on("error", (err) => {
      cause = err;
    });
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#writer = undefined;
        const reason = cause?.message ?? "the thread ended";
        for (const id of this.#waiting.keys()) this.#settle(id, { kind: "failed", reason });
        resolve();
      });
    });
    worker.unref();
    return worker;
  }

  #settle(id: number, message: Settled): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#waitingBytes -= waiting.bytes;
    if (message.kind === "done") return waiting.resolve();
    const cause = new Error(message.reason);
    waiting.reject(new HoldfastError("STORE_FAILED", "the blocks could not be written", { cause }));
  }
}

type Settled = { readonly kind: "done" } | { readonly kind: "failed"; readonly reason: string };

const NO_BYTES = new Uint8Array();
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function isCorruption(err: unknown): boolean {
  return (
    err instanceof Error &&
    "errcode" in err &&
    (err.errcode === SQLITE_CORRUPT || err.errcode === SQLITE_NOTADB)
  );
}
