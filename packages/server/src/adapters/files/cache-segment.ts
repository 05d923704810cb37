import assert from "node:assert/strict";
import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";

/** Not `a+`: what is appended goes to a position, over what a crash left half written. */
const READ_WRITE_CREATE = constants.O_RDWR | constants.O_CREAT;

/** Where a block lies in a segment. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
}

export interface SegmentEntry extends Place {
  readonly key: string;
}

/** In a list, the length of a key is one byte; then come the offset and the length of the block, and the key. */
export const KEY_BYTES_MAX = 255;
export const ENTRY_FIXED_BYTES = 1 + 4 + 4;

/**
 * One file of blocks that only grows, `<id>.blocks`, and beside it a list of what lies where, `<id>.index`, so that a start
 * reads some dozens of bytes for each block and none of the blocks. Neither is ever fsynced: whoever reads a block checks its
 * hash, and a list that ends early only forgets blocks.
 */
export class CacheSegment {
  readonly #path: string;
  readonly #blocks: FileHandle;
  /** Open while the segment grows. */
  #index: FileHandle | undefined;
  #blocksEnd = 0;
  #indexEnd = 0;
  #readers = 0;
  #isClosed = false;

  /** Opens a segment, new or not. @returns what its list says but for what lies outside of the file, in order of arrival. */
  static async open(
    directory: string,
    id: number,
  ): Promise<{ readonly segment: CacheSegment; readonly entries: readonly SegmentEntry[] }> {
    const path = join(directory, String(id));
    const segment = new CacheSegment(path, await open(`${path}.blocks`, READ_WRITE_CREATE));
    try {
      const index = await open(`${path}.index`, READ_WRITE_CREATE);
      segment.#index = index;
      const { entries, end } = decodeIndex(await index.readFile());
      segment.#blocksEnd = (await segment.#blocks.stat()).size;
      segment.#indexEnd = end;
      return {
        segment,
        entries: entries.filter(({ offset, bytes }) => offset + bytes <= segment.#blocksEnd),
      };
    } catch (err) {
      await segment.close();
      throw err;
    }
  }

  private constructor(path: string, blocks: FileHandle) {
    this.#path = path;
    this.#blocks = blocks;
  }

  /** What it takes on the disk, list included. */
  get fileBytes(): number {
    return this.#blocksEnd + this.#indexEnd;
  }

  /**
   * Appends blocks and then their list. A failure leaves the segment as it was.
   *
   * @returns where each lies, in order.
   */
  async append(blocks: readonly { readonly key: string; readonly bytes: Uint8Array }[]): Promise<Place[]> {
    assert(this.#index !== undefined, "a sealed segment does not grow");
    let end = this.#blocksEnd;
    const entries = blocks.map(({ key, bytes }) => {
      const entry = { key, offset: end, bytes: bytes.byteLength };
      end += bytes.byteLength;
      return entry;
    });
    for (const [i, { bytes }] of blocks.entries())
      await writeAll(this.#blocks, bytes, entries[i]?.offset ?? 0);
    const list = Buffer.concat(entries.map(encodeEntry));
    await writeAll(this.#index, list, this.#indexEnd);
    this.#blocksEnd = end;
    this.#indexEnd += list.byteLength;
    return entries;
  }

  /** Nothing will be appended any more. */
  async seal(): Promise<void> {
    const index = this.#index;
    this.#index = undefined;
    await index?.close();
  }

  /** The bytes at a place; undefined when the file ends before, or has been removed. */
  async read({ offset, bytes }: Place): Promise<Uint8Array | undefined> {
    if (this.#isClosed) return undefined;
    this.#readers++;
    try {
      // Not zeroed first: it is given out only when it is full.
      const buffer = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
      let filled = 0;
      while (filled < bytes) {
        const { bytesRead } = await this.#blocks.read(buffer, filled, bytes - filled, offset + filled);
        if (bytesRead === 0) return undefined;
        filled += bytesRead;
      }
      return buffer;
    } finally {
      this.#readers--;
      if (this.#isClosed && this.#readers === 0) await this.#blocks.close();
    }
  }

  /** Gives the space back. Reads under way still end well. */
  async remove(): Promise<void> {
    await rm(`${this.#path}.index`, { force: true });
    await rm(`${this.#path}.blocks`, { force: true });
    await this.close();
  }

  /** Closes the files and leaves them where they are. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.seal();
    if (this.#readers === 0) await this.#blocks.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, written, bytes.byteLength - written, position + written);
    written += bytesWritten;
  }
}

function encodeEntry({ key, offset, bytes }: SegmentEntry): Buffer {
  const entry = Buffer.alloc(ENTRY_FIXED_BYTES + key.length);
  entry.writeUInt8(key.length, 0);
  entry.writeUInt32LE(offset, 1);
  entry.writeUInt32LE(bytes, 5);
  entry.write(key, ENTRY_FIXED_BYTES, "latin1");
  return entry;
}

/** Never throws: an entry that is not whole ends the list. */
function decodeIndex(list: Buffer): { entries: SegmentEntry[]; end: number } {
  const entries: SegmentEntry[] = [];
  let at = 0;
  while (at + ENTRY_FIXED_BYTES <= list.byteLength) {
    const keyAt = at + ENTRY_FIXED_BYTES;
    const end = keyAt + list.readUInt8(at);
    if (end > list.byteLength) break;
    entries.push({
      key: list.toString("latin1", keyAt, end),
      offset: list.readUInt32LE(at + 1),
      bytes: list.readUInt32LE(at + 5),
    });
    at = end;
  }
  return { entries, end: at };
}
