import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { BlockCache } from "../../content/block-cache.ts";
import { blockKeyOf, isBlockOf } from "../../content/block-hash.ts";
import type { Block } from "../../content/block-store.ts";
import { CacheSegment, ENTRY_FIXED_BYTES, KEY_BYTES_MAX } from "./cache-segment.ts";

/** How many segments the cache is divided into: what one eviction can cost, and the grain of the bound. */
const SEGMENTS = 32;
/** Offsets in a segment have 32 bits. */
const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;
/** A segment is full with so many blocks as well, or a cache of tiny ones would need more memory for its list than disk. */
const BLOCK_BYTES_MEAN_MIN = 4096;
/** How many bytes of evicted segments may be written again for each byte that is new: bounds what the disk has to write. */
const SURVIVING_PER_NEW = 4;
/** And how many at once, after a time in which nothing had to. */
const SURVIVING_SEGMENTS_MAX = 4;
/** Blocks that wait to be written; what comes when they are that many is dropped. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;
/** What comes within this is written together, and after those who wait for it have been answered. */
const GATHER_MS = 20;
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_BLOCKS = 256;
/** An empty block waits like any other. */
const WAITING_OVERHEAD_BYTES = 256;

export interface FileBlockCacheOptions {
  /** Bound on all files together. */
  readonly bytesMax: number;
  /** Called for each copy that was not the block any more. */
  readonly onCorrupt?: (cid: CID) => void;
  /** Called when the disk refused a write: what was to be written is dropped, and the cache goes on with what it has. */
  readonly onWriteFailed?: (err: unknown) => void;
  /** Called for each block that was not kept because too many waited. */
  readonly onDropped?: () => void;
}

interface Entry {
  readonly segment: Segment;
  readonly offset: number;
  readonly bytes: number;
  /** Read since it was written. */
  isUsed: boolean;
}

interface Segment {
  readonly file: CacheSegment;
  /** Every key ever appended, for its eviction; those that have moved on are not its any more. */
  readonly keys: string[];
}

interface Waiting {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/**
 * A cache of blocks on the disk within a bound of bytes. Blocks are appended to segments; the oldest segment is evicted
 * whole, and those of its blocks that were read since are appended again: what is used stays, what is not goes, and no write
 * of the disk is waited for by a reader. Which blocks were read is not kept over a restart; their age is.
 */
export class FileBlockCache implements BlockCache, AsyncDisposable {
  readonly #directory: string;
  readonly #options: FileBlockCacheOptions;
  readonly #segmentBytes: number;
  readonly #entries = new Map<string, Entry>();
  /** Oldest first; the last one grows. */
  readonly #segments: Segment[] = [];
  #nextId = 1;
  readonly #waiting = new Map<string, Uint8Array>();
  #waitingBytes = 0;
  #survivingBytesLeft = 0;
  #writing: Promise<void> | undefined;
  #endGathering = (): void => {};
  #isClosed = false;

  /** @throws HoldfastError `STORE_FAILED` when the folder cannot be used. */
  static async open(directory: string, options: FileBlockCacheOptions): Promise<FileBlockCache> {
    const cache = new FileBlockCache(directory, options);
    try {
      await mkdir(directory, { recursive: true });
      await cache.#load();
      return cache;
    } catch (cause) {
      await cache[Symbol.asyncDispose]();
      throw new HoldfastError("STORE_FAILED", "the block cache cannot be opened", { cause });
    }
  }

  private constructor(directory: string, options: FileBlockCacheOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#segmentBytes = Math.min(SEGMENT_BYTES_MAX, Math.floor(options.bytesMax / SEGMENTS));
  }

  /** Of all files together; never more than `bytesMax`. */
  get fileBytes(): number {
    return this.#segments.reduce((sum, { file }) => sum + file.fileBytes, 0);
  }

  /** Of blocks that are not on the disk yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get blockCount(): number {
    return this.#entries.size;
  }

  has(cid: CID): boolean {
    const key = blockKeyOf(cid);
    return this.#waiting.has(key) || this.#entries.has(key);
  }

  async get(cid: CID): Promise<Uint8Array | undefined> {
    const key = blockKeyOf(cid);
    for (;;) {
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) return waiting;
      const entry = this.#entries.get(key);
      if (entry === undefined) return undefined;
      entry.isUsed = true;
      const bytes = await readOrMiss(entry);
      if (bytes !== undefined && isBlockOf(cid, bytes)) return bytes;
      if (this.#entries.get(key) === entry) {
        this.#entries.delete(key);
        this.#options.onCorrupt?.(cid);
        return undefined;
      }
      // Its segment was evicted while it was read; it may have been written again.
    }
  }

  add({ cid, bytes }: Block): void {
    const key = blockKeyOf(cid);
    const fits = key.length <= KEY_BYTES_MAX && costOf(key, bytes.byteLength) <= this.#segmentBytes;
    if (this.#isClosed || !fits || this.has(cid)) return;
    const cost = bytes.byteLength + WAITING_OVERHEAD_BYTES;
    if (this.#waitingBytes + cost > WAITING_BYTES_MAX) {
      this.#options.onDropped?.();
      return;
    }
    this.#waiting.set(key, bytes);
    this.#waitingBytes += cost;
    this.#writing ??= this.#write();
    if (this.#waitingBytes >= BATCH_BYTES) this.#endGathering();
  }

  /** Writes what waits and closes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#endGathering();
    await this.#writing;
    await Promise.all(this.#segments.map(({ file }) => file.close()));
  }

  async #load(): Promise<void> {
    const names = await readdir(this.#directory);
    const ids = new Set(names.flatMap((name) => /^(\d{1,15})\.blocks$/.exec(name)?.[1] ?? []));
    for (const name of names) {
      const [, id] = /^(\d{1,15})\.index$/.exec(name) ?? [];
      if (id !== undefined && !ids.has(id)) await rm(join(this.#directory, name));
    }
    for (const id of [...ids].map(Number).sort((a, b) => a - b)) {
      await this.#current()?.file.seal();
      const { segment, entries } = await this.#openSegment(id);
      for (const { key, offset, bytes } of entries)
        this.#note(key, { segment, offset, bytes, isUsed: false });
    }
    await this.#makeRoom(0);
  }

  async #openSegment(id: number) {
    const { segment: file, entries } = await CacheSegment.open(this.#directory, id);
    const segment: Segment = { file, keys: [] };
    this.#segments.push(segment);
    this.#nextId = id + 1;
    return { segment, entries };
  }

  #current(): Segment | undefined {
    return this.#segments.at(-1);
  }

  #note(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    entry.segment.keys.push(key);
  }

  /** One batch after the other until nothing waits. Never rejects. */
  async #write(): Promise<void> {
    await this.#gather();
    while (this.#waiting.size > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#append(batch);
      } catch (err) {
        this.#options.onWriteFailed?.(err);
      }
      for (const { key, bytes } of batch) {
        this.#waiting.delete(key);
        this.#waitingBytes -= bytes.byteLength + WAITING_OVERHEAD_BYTES;
      }
    }
    this.#writing = undefined;
  }

  /** Until enough waits, some time has passed, or the cache is closed. */
  async #gather(): Promise<void> {
    if (this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, GATHER_MS);
    this.#endGathering = resolve;
    await promise;
    clearTimeout(timer);
  }

  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let batchBytes = 0;
    for (const [key, bytes] of this.#waiting) {
      batchBytes += costOf(key, bytes.byteLength);
      if (batch.length === BATCH_BLOCKS) break;
      if (batch.length > 0 && batchBytes > Math.min(BATCH_BYTES, this.#segmentBytes)) break;
      batch.push({ key, bytes });
    }
    return batch;
  }

  async #append(blocks: readonly Waiting[]): Promise<void> {
    const newBytes = costOfAll(blocks);
    this.#survivingBytesLeft = Math.min(
      SURVIVING_SEGMENTS_MAX * this.#segmentBytes,
      this.#survivingBytesLeft + SURVIVING_PER_NEW * newBytes,
    );
    await this.#makeRoom(newBytes);
    await this.#appendToCurrent(blocks);
  }

  async #appendToCurrent(blocks: readonly Waiting[]): Promise<void> {
    let segment = this.#current();
    if (segment === undefined || !this.#hasRoomFor(segment, blocks)) {
      const full = segment;
      // First, or a disk that refuses it would leave a current segment that cannot grow.
      ({ segment } = await this.#openSegment(this.#nextId));
      await full?.file.seal();
    }
    const places = await segment.file.append(blocks);
    for (const [i, { key }] of blocks.entries()) {
      const place = places[i];
      if (place !== undefined) this.#note(key, { segment, ...place, isUsed: false });
    }
  }

  #hasRoomFor({ file, keys }: Segment, blocks: readonly Waiting[]): boolean {
    return (
      file.fileBytes + costOfAll(blocks) <= this.#segmentBytes &&
      keys.length + blocks.length <= Math.max(BATCH_BLOCKS, this.#segmentBytes / BLOCK_BYTES_MEAN_MIN)
    );
  }

  /** Evicts until so many bytes can be written, and then the survivors of one eviction, without exceeding the bound. */
  async #makeRoom(bytes: number): Promise<void> {
    const aboveMax = this.#options.bytesMax - bytes - this.#segmentBytes;
    while (this.#segments.length > 0 && this.fileBytes > aboveMax) await this.#evictOldest();
  }

  async #evictOldest(): Promise<void> {
    const segment = this.#segments.shift();
    if (segment === undefined) return;
    let roomBytes = Math.min(this.#segmentBytes, this.#survivingBytesLeft);
    for (const key of segment.keys) {
      const entry = this.#entries.get(key);
      if (entry?.segment !== segment) continue;
      const entryBytes = costOf(key, entry.bytes);
      const bytes = entry.isUsed && entryBytes <= roomBytes ? await readOrMiss(entry) : undefined;
      if (bytes === undefined) {
        this.#entries.delete(key);
        continue;
      }
      roomBytes -= entryBytes;
      this.#survivingBytesLeft -= entryBytes;
      try {
        await this.#appendToCurrent([{ key, bytes }]);
      } catch (err) {
        // Nothing else survives: the room of the segment is what a full disk needs.
        roomBytes = 0;
        this.#entries.delete(key);
        this.#options.onWriteFailed?.(err);
      }
    }
    await segment.file.remove();
  }
}

/** What a block takes on the disk with its place in the list. */
function costOf(key: string, bytes: number): number {
  return bytes + key.length + ENTRY_FIXED_BYTES;
}

function costOfAll(blocks: readonly Waiting[]): number {
  return blocks.reduce((sum, { key, bytes }) => sum + costOf(key, bytes.byteLength), 0);
}

async function readOrMiss({ segment, offset, bytes }: Entry): Promise<Uint8Array | undefined> {
  try {
    return await segment.file.read({ offset, bytes });
  } catch {
    // A disk that refuses is a miss; the block comes from elsewhere.
    return undefined;
  }
}
