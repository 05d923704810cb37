import { decodeUtf8 } from "../utf8.ts";

/** The bytes are not canonical DAG-CBOR. Callers turn it into an error of their own. */
export class DagCborError extends Error {
  override readonly name = "DagCborError";
}

export const UNSIGNED = 0;
const NEGATIVE = 1;
export const BYTES = 2;
const TEXT = 3;
const LIST = 4;
const MAP = 5;
const TAG = 6;

const FALSE = 0xf4;
const NULL = 0xf6;
const TAG_CID = 42;
/** Nested lists and maps may only occur in metadata, where writers put none. The bound keeps the recursion shallow. */
const DEPTH_MAX = 16;

/**
 * Walks over DAG-CBOR without building values, and accepts the one canonical encoding only: shortest numbers, known
 * lengths, map keys that are text in length-then-bytes order (so none is repeated), no tag but 42, no `undefined`.
 * Stricter than DAG-CBOR in one point: floats are refused, as no IPNS writer can make one.
 *
 * The library `cborg` decodes too, but takes `5.0` for 5 and does not see the order of keys. It is the oracle in the tests.
 *
 * @see https://ipld.io/specs/codecs/dag-cbor/spec/#strictness
 */
export class DagCborReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  position: number;
  /** Of the last head: a number or a length; for strings the content starts at `position`. */
  argument: bigint | number = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  /** Reads a map; calls `onEntry` before each value, which it must read or skip. */
  readMap(onEntry: (keyStart: number, keyEnd: number) => void): void {
    if (this.readHead() !== MAP) throw new DagCborError("it is not a map");
    this.#readEntries(onEntry);
  }

  /** Throws unless everything was read. */
  assertEnd(): void {
    if (this.position !== this.#end) throw new DagCborError("something follows the map");
  }

  /** @returns the major type; `argument` is set. Strings are known to lie within the bytes. */
  readHead(): number {
    const initial = this.#readByte();
    const major = initial >> 5;
    const minor = initial & 0x1f;
    if (major === 7) {
      if (initial < FALSE || initial > NULL) throw new DagCborError("floats and undefined are not allowed");
      this.argument = 0;
      return major;
    }
    this.argument = minor < 24 ? minor : this.#readArgument(minor);
    if ((major === BYTES || major === TEXT) && this.argument > this.#end - this.position) {
      throw new DagCborError("a string is cut off");
    }
    return major;
  }

  /** Steps over one value whose head comes next. */
  skipValue(depth = 1): void {
    if (depth > DEPTH_MAX) throw new DagCborError("it is nested too deeply");
    const major = this.readHead();
    switch (major) {
      case UNSIGNED:
      case NEGATIVE:
        return;
      case BYTES:
        this.skipContent();
        return;
      case TEXT:
        this.#skipText();
        return;
      case LIST: {
        const count = this.#count();
        for (let i = 0; i < count; i++) this.skipValue(depth + 1);
        return;
      }
      case MAP:
        this.#readEntries(() => this.skipValue(depth + 1));
        return;
      case TAG:
        this.#skipCid();
        return;
      default:
        return;
    }
  }

  /** Steps over the content of a string whose head was just read. */
  skipContent(): void {
    this.position += Number(this.argument);
  }

  #readEntries(onEntry: (keyStart: number, keyEnd: number) => void): void {
    const count = this.#count();
    let previousStart = -1;
    let previousEnd = -1;
    for (let i = 0; i < count; i++) {
      const keyStart = this.#readKey();
      const keyEnd = this.position;
      if (previousStart >= 0 && !this.#isBefore(previousStart, previousEnd, keyStart, keyEnd)) {
        throw new DagCborError("its keys are repeated or not in order");
      }
      previousStart = keyStart;
      previousEnd = keyEnd;
      onEntry(keyStart, keyEnd);
    }
  }

  #readKey(): number {
    if (this.readHead() !== TEXT) throw new DagCborError("a key is not text");
    const start = this.position;
    this.#skipText();
    return start;
  }

  #skipText(): void {
    const start = this.position;
    this.skipContent();
    for (let i = start; i < this.position; i++) {
      // Nearly all text here is ASCII, which needs no decoder.
      if ((this.#bytes[i] ?? 0) < 0x80) continue;
      if (decodeUtf8(this.#bytes.subarray(start, this.position)) === undefined) {
        throw new DagCborError("text is not UTF-8");
      }
      return;
    }
  }

  #skipCid(): void {
    if (this.argument !== TAG_CID) throw new DagCborError("a tag other than 42 is not allowed");
    if (this.readHead() !== BYTES || this.argument < 2 || this.#bytes[this.position] !== 0) {
      throw new DagCborError("a tag 42 does not hold a CID");
    }
    this.skipContent();
  }

  /** Each entry takes a byte at least, so a count beyond the bytes is refused before any loop. */
  #count(): number {
    if (this.argument > this.#end - this.position) throw new DagCborError("a list or map is cut off");
    return Number(this.argument);
  }

  #readArgument(minor: number): bigint | number {
    switch (minor) {
      case 24:
        return this.#shortest(this.#readByte(), 24);
      case 25:
        return this.#shortest(this.#readUint(2), 0x100);
      case 26:
        return this.#shortest(this.#readUint(4), 0x1_0000);
      case 27: {
        const high = this.#shortest(this.#readUint(4), 1);
        return (BigInt(high) << 32n) | BigInt(this.#readUint(4));
      }
      default:
        throw new DagCborError("indefinite lengths are not allowed");
    }
  }

  #shortest(value: number, smallest: number): number {
    if (value < smallest) throw new DagCborError("a number is not in its shortest form");
    return value;
  }

  #readUint(byteCount: number): number {
    let value = 0;
    for (let i = 0; i < byteCount; i++) value = value * 256 + this.#readByte();
    return value;
  }

  #readByte(): number {
    const byte = this.position < this.#end ? this.#bytes[this.position] : undefined;
    if (byte === undefined) throw new DagCborError("it is cut off");
    this.position++;
    return byte;
  }

  #isBefore(aStart: number, aEnd: number, bStart: number, bEnd: number): boolean {
    const lengthDifference = bEnd - bStart - (aEnd - aStart);
    if (lengthDifference !== 0) return lengthDifference > 0;
    for (let i = 0; i < aEnd - aStart; i++) {
      const difference = (this.#bytes[bStart + i] ?? 0) - (this.#bytes[aStart + i] ?? 0);
      if (difference !== 0) return difference > 0;
    }
    return false;
  }
}
