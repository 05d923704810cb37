import { HoldfastError, isHoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { IDENTITY_CODE, isBlockOf, isHashSupported } from "./block-hash.ts";
import type { Block } from "./block-store.ts";
import { ByteQueue } from "./car-byte-queue.ts";
import { blockTooLarge } from "./dag-block-limits.ts";
import { DAG_CBOR, decodeCbor } from "./dag-cbor.ts";
import { isLink } from "./dag-node.ts";

/** Larger than the header of some 20,000 roots. */
const HEADER_BYTES_MAX = 1024 * 1024;
/** As Kubo: a larger section is no block that is too large, but no CAR. */
const SECTION_BYTES_MAX = 32 * 1024 * 1024;
/** The longest CID that a section may start with: a digest of 128 bytes and its numbers. */
const CID_BYTES_MAX = 160;
/** What a CID may carry inline (IPIP-512). */
const IDENTITY_BYTES_MAX = 128;

/** A header that only says "version 2", with its length. */
const V2_PRAGMA_BYTES = 11;
const V2_HEADER_BYTES = 40;
const V2_DATA_OFFSET_MIN = V2_PRAGMA_BYTES + V2_HEADER_BYTES;

const LENGTH_BEYOND = "invalid section data, length of read beyond allowable maximum";

export interface CarLimits {
  /** For one block. A larger one is refused before anything is reserved for it. */
  readonly blockBytesMax: number;
}

/**
 * Reads a CAR (version 1, or the data of version 2) while it streams in, with the memory of one block. Strict: what it
 * yields has been checked against its CID, and a CAR that ends inside a section, or before the end that version 2
 * announces, is an error.
 *
 * Our own because `@ipld/car` reserves whatever length a section claims.
 *
 * @see https://ipld.io/specs/transport/car/carv1/ and /carv2/
 */
export class CarReader {
  readonly roots: readonly CID[];
  readonly #queue: ByteQueue;
  readonly #limits: CarLimits;
  /** Until the end of the sections; undefined: until the end of the bytes. */
  #bytesLeft: number | undefined;

  private constructor(
    queue: ByteQueue,
    limits: CarLimits,
    header: { readonly roots: readonly CID[]; readonly bytesLeft: number | undefined },
  ) {
    this.#queue = queue;
    this.#limits = limits;
    this.roots = header.roots;
    this.#bytesLeft = header.bytesLeft;
  }

  /**
   * Reads the header.
   *
   * @throws HoldfastError `INVALID_ARGUMENT` with `details.reason` `CAR_INVALID`; whatever `chunks` throws.
   */
  static async open(chunks: AsyncIterable<Uint8Array>, limits: CarLimits): Promise<CarReader> {
    const queue = new ByteQueue(chunks);
    const first = await readHeader(queue);
    if (first.version === 1)
      return new CarReader(queue, limits, { roots: first.roots, bytesLeft: undefined });
    const isVersion2 = first.version === 2 && queue.taken === V2_PRAGMA_BYTES;
    if (!isVersion2) throw invalidCar(`invalid car version: ${first.version}`);
    const dataBytes = await skipToData(queue);
    const before = queue.taken;
    const { version, roots } = await readHeader(queue);
    if (version !== 1) throw invalidCar(`invalid data payload header version; expected 1, got ${version}`);
    const bytesLeft = dataBytes - (queue.taken - before);
    if (bytesLeft < 0) throw invalidCar("the data payload ends inside its header");
    return new CarReader(queue, limits, { roots, bytesLeft });
  }

  /**
   * The blocks, verified, in their order; to be iterated once. Reads to the end of the bytes, also past the data of version 2.
   *
   * @throws HoldfastError `INVALID_ARGUMENT` with `details.reason` `CAR_INVALID`, `BODY_TOO_LARGE` for a block over its limit.
   */
  async *blocks(): AsyncGenerator<Block> {
    while (!(await this.#isAtEnd())) {
      const before = this.#queue.taken;
      yield await this.#readSection();
      if (this.#bytesLeft === undefined) continue;
      this.#bytesLeft -= this.#queue.taken - before;
      if (this.#bytesLeft < 0) throw invalidCar("unexpected EOF");
    }
    // An index may follow, which is of no use here; whoever sends it waits until it is read.
    while ((await this.#queue.skip(Number.MAX_SAFE_INTEGER)) > 0);
  }

  async #isAtEnd(): Promise<boolean> {
    return this.#bytesLeft === undefined ? this.#queue.isAtEnd() : this.#bytesLeft === 0;
  }

  async #readSection(): Promise<Block> {
    const sectionBytes = await readVarint(this.#queue);
    if (sectionBytes === 0) throw invalidCar("a section of zero bytes");
    if (sectionBytes > SECTION_BYTES_MAX) throw invalidCar(LENGTH_BEYOND);
    const { blockBytesMax } = this.#limits;
    if (sectionBytes > blockBytesMax + CID_BYTES_MAX) throw blockTooLarge(blockBytesMax);
    if (this.#bytesLeft !== undefined && sectionBytes > this.#bytesLeft) throw invalidCar("unexpected EOF");
    const section = await this.#queue.take(sectionBytes);
    if (section === undefined) throw invalidCar("unexpected EOF");
    const { cid, cidBytes } = cidAtStart(section);
    const bytes = section.subarray(cidBytes);
    if (bytes.byteLength > blockBytesMax) throw blockTooLarge(blockBytesMax);
    assertIsBlockOf(cid, bytes);
    return { cid, bytes };
  }
}

interface CarHeader {
  readonly version: number;
  readonly roots: readonly CID[];
}

async function readHeader(queue: ByteQueue): Promise<CarHeader> {
  const headerBytes = await readVarint(queue);
  if (headerBytes > HEADER_BYTES_MAX)
    throw invalidCar("invalid header data, length of read beyond allowable maximum");
  const bytes = await queue.take(headerBytes);
  if (bytes === undefined) throw invalidCar("unexpected EOF");
  return decodeHeader(bytes);
}

function decodeHeader(bytes: Uint8Array): CarHeader {
  let header: unknown;
  try {
    header = decodeCbor(bytes, DAG_CBOR);
  } catch (cause) {
    throw invalidCar(`invalid header: ${isHoldfastError(cause) ? cause.message : "unreadable"}`, cause);
  }
  if (!(header instanceof Map)) throw invalidCar("invalid header: it is not a map");
  const version: unknown = header.get("version");
  const roots: unknown = header.get("roots") ?? [];
  const isKnown = [...header.keys()].every((key) => key === "version" || key === "roots");
  const isWellFormed = isKnown && typeof version === "bigint" && Array.isArray(roots) && roots.every(isLink);
  if (!isWellFormed) throw invalidCar("invalid header: it is not a version and a list of roots");
  return { version: Number(version), roots };
}

/** @returns how many bytes of data follow. */
async function skipToData(queue: ByteQueue): Promise<number> {
  const header = await queue.take(V2_HEADER_BYTES);
  if (header === undefined) throw invalidCar("unexpected EOF");
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  // Two words of characteristics come first, and the offset of the index last.
  const [dataOffset, dataBytes] = [view.getBigUint64(16, true), view.getBigUint64(24, true)];
  if (dataOffset < BigInt(V2_DATA_OFFSET_MIN) || dataOffset > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidCar(`invalid data payload offset: ${dataOffset}`);
  }
  if (dataBytes === 0n || dataBytes > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidCar(`invalid data payload size: ${dataBytes}`);
  }
  const paddingBytes = Number(dataOffset) - V2_DATA_OFFSET_MIN;
  if ((await queue.skip(paddingBytes)) < paddingBytes) throw invalidCar("unexpected EOF");
  return Number(dataBytes);
}

/** Seven bits a byte, the lowest first, in the shortest form, below 2^49: nothing here is longer. */
async function readVarint(queue: ByteQueue): Promise<number> {
  let value = 0;
  for (let weight = 1; weight < 2 ** 49; weight *= 128) {
    const byte = await queue.takeByte();
    if (byte === undefined) throw invalidCar("unexpected EOF");
    value += (byte & 0x7f) * weight;
    if (byte >= 0x80) continue;
    if (byte === 0 && weight > 1) break;
    return value;
  }
  throw invalidCar(LENGTH_BEYOND);
}

function cidAtStart(section: Uint8Array): { readonly cid: CID; readonly cidBytes: number } {
  try {
    // A copy: the CID outlives the block.
    const [cid, rest] = CID.decodeFirst(Uint8Array.from(section.subarray(0, CID_BYTES_MAX)));
    const cidBytes = Math.min(section.byteLength, CID_BYTES_MAX) - rest.byteLength;
    // Bytes that are more than the CID needs are numbers in a longer form.
    if (cid.bytes.byteLength === cidBytes && cid.bytes.byteLength <= section.byteLength)
      return { cid, cidBytes };
  } catch (cause) {
    throw invalidCar(`invalid cid: ${cause instanceof Error ? cause.message : "unreadable"}`, cause);
  }
  throw invalidCar("invalid cid: a number that is not in its shortest form");
}

function assertIsBlockOf(cid: CID, bytes: Uint8Array): void {
  if (!isHashSupported(cid)) {
    const code = cid.multihash.code.toString(16);
    throw invalidCar(`blocks with the hash function 0x${code} cannot be verified here`);
  }
  if (cid.multihash.code === IDENTITY_CODE && bytes.byteLength > IDENTITY_BYTES_MAX) {
    throw invalidCar(`a CID may carry at most ${IDENTITY_BYTES_MAX} bytes inline`);
  }
  if (isBlockOf(cid, bytes)) return;
  throw invalidCar(`mismatch in content integrity: the bytes are not those of ${cid.toString()}`);
}

function invalidCar(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message, { cause, details: { reason: "CAR_INVALID" } });
}
