/** The bytes are not protobuf, or not the one canonical form of it. Callers turn it into an error of their own. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

export const WIRE_VARINT = 0;
export const WIRE_BYTES = 2;

/**
 * Reads the two wire types that IPNS uses, and only their shortest forms. It does no more than that: which fields may
 * occur, how often and in which order is the caller's knowledge.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufReader {
  readonly bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get done(): boolean {
    return this.position >= this.bytes.length;
  }

  /** @returns field number × 8 + wire type. */
  readTag(): number {
    const tag = this.readVarint();
    if (tag >= 2n ** 32n) throw new ProtobufError("a field number is out of range");
    return Number(tag);
  }

  readVarint(): bigint {
    let low = 0;
    let scale = 1;
    for (let length = 1; length <= 7; length++) {
      const byte = this.#readByte();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(this.#shortest(low, byte, length));
      scale *= 128;
    }
    let value = BigInt(low);
    for (let length = 8; length <= 10; length++) {
      const byte = this.#readByte();
      value |= BigInt(byte & 0x7f) << BigInt((length - 1) * 7);
      if (byte < 0x80) {
        if (value >= 2n ** 64n) throw new ProtobufError("a number is longer than 64 bits");
        return this.#shortest(value, byte, length);
      }
    }
    throw new ProtobufError("a number is longer than 64 bits");
  }

  /** Reads a length and steps over that many bytes. @returns where they start; they end at `position`. */
  skipBytes(): number {
    const length = this.readVarint();
    const start = this.position;
    if (length > BigInt(this.bytes.length - start)) throw new ProtobufError("a field is cut off");
    this.position = start + Number(length);
    return start;
  }

  #readByte(): number {
    const byte = this.bytes[this.position];
    if (byte === undefined) throw new ProtobufError("a number is cut off");
    this.position++;
    return byte;
  }

  #shortest<T>(value: T, lastByte: number, length: number): T {
    if (lastByte === 0 && length > 1) throw new ProtobufError("a number is not in its shortest form");
    return value;
  }
}

/** Writes fields in the order of the calls: ascending numbers are the caller's duty. */
export class ProtobufWriter {
  readonly #bytes: number[] = [];

  varintField(field: number, value: bigint): this {
    this.#varint(BigInt(field * 8 + WIRE_VARINT));
    this.#varint(value);
    return this;
  }

  bytesField(field: number, value: Uint8Array): this {
    this.#varint(BigInt(field * 8 + WIRE_BYTES));
    this.#varint(BigInt(value.length));
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #varint(value: bigint): void {
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) this.#bytes.push(Number(rest & 0x7fn) | 0x80);
    this.#bytes.push(Number(rest));
  }
}
