import { CID } from "multiformats/cid";
import { type DagMap, type DagNode, invalidNode, isLink, isList, isMap, NodeBudget } from "./dag-node.ts";

/**
 * DAG-CBOR and plain CBOR with the rules of Kubo 0.43. Our own because every JavaScript codec turns the float 1.0 into an
 * integer and moves keys that look like numbers, which changes CIDs.
 *
 * @see https://ipld.io/specs/codecs/dag-cbor/spec/
 */

export interface CborForm {
  /** Links are tag 42. Without: neither read nor written. */
  readonly links: boolean;
  /** Keys are written shorter first, then by bytes. Without: in the order of the map. */
  readonly sortsKeys: boolean;
}

export const DAG_CBOR: CborForm = { links: true, sortsKeys: true };
export const PLAIN_CBOR: CborForm = { links: false, sortsKeys: false };

const LINK_TAG = 42n;
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * Reads one value that fills the bytes. Integers have their shortest form, lengths are definite, keys are text and do not
 * repeat; the order of keys and the width of floats are free, as for Kubo.
 *
 * @param options.skipsText text is not read (it comes as ""), so that text which is not UTF-8 does not hide the links beside
 *   it. Not for maps' keys.
 * @throws HoldfastError `INVALID_ARGUMENT`.
 */
export function decodeCbor(
  bytes: Uint8Array,
  form: CborForm,
  options: { readonly skipsText?: boolean } = {},
): DagNode {
  const reader = new CborReader(bytes, form, options.skipsText ?? false);
  const node = reader.readValue();
  reader.assertEnd();
  return node;
}

class CborReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #form: CborForm;
  readonly #skipsText: boolean;
  readonly #budget = new NodeBudget();
  #at = 0;

  constructor(bytes: Uint8Array, form: CborForm, skipsText: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#form = form;
    this.#skipsText = skipsText;
  }

  assertEnd(): void {
    if (this.#at < this.#bytes.byteLength) throw malformed("unexpected content after the end");
  }

  readValue(): DagNode {
    this.#budget.count();
    const initial = this.#readByte();
    const major = initial >> 5;
    if (major === 7) return this.#readSimple(initial);
    const argument = this.#readArgument(initial & 0x1f);
    if (major === 0) return argument;
    if (major === 1) return this.#negative(argument);
    if (major === 2) return this.#take(argument);
    if (major === 3) return this.#readText(argument);
    if (major === 4) return this.#readList(argument);
    if (major === 5) return this.#readMap(argument);
    return this.#readTagged(argument);
  }

  #readByte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformed("unexpected end");
    this.#at++;
    return byte;
  }

  #readArgument(short: number): bigint {
    if (short < 24) return BigInt(short);
    if (short > 27) throw malformed(short === 31 ? "an indefinite length" : "a reserved initial byte");
    const width = 1 << (short - 24);
    let value = 0n;
    for (let i = 0; i < width; i++) value = (value << 8n) | BigInt(this.#readByte());
    const leastOfWidth = width === 1 ? 24n : 1n << BigInt(width * 4);
    if (value < leastOfWidth) throw malformed("an integer that is not in its shortest form");
    return value;
  }

  #negative(argument: bigint): bigint {
    const value = -1n - argument;
    if (value < INT64_MIN) throw malformed("an integer below the range of 64 bits");
    return value;
  }

  #take(length: bigint): Uint8Array {
    if (length > BigInt(this.#bytes.byteLength - this.#at)) throw malformed("unexpected end");
    const start = this.#at;
    this.#at += Number(length);
    return this.#bytes.subarray(start, this.#at);
  }

  #readText(length: bigint): string {
    const bytes = this.#take(length);
    return this.#skipsText ? "" : textOf(bytes);
  }

  #readList(length: bigint): readonly DagNode[] {
    // Every element takes a byte at least: nothing is reserved for a length that is a lie.
    if (length > BigInt(this.#bytes.byteLength - this.#at)) throw malformed("unexpected end");
    return this.#budget.nested(() => Array.from({ length: Number(length) }, () => this.readValue()));
  }

  #readMap(length: bigint): DagMap {
    if (length > BigInt(this.#bytes.byteLength - this.#at)) throw malformed("unexpected end");
    return this.#budget.nested(() => {
      const map = new Map<string, DagNode>();
      for (let i = 0n; i < length; i++) {
        const initial = this.#readByte();
        if (initial >> 5 !== 3) throw malformed("a map's key that is not text");
        const key = textOf(this.#take(this.#readArgument(initial & 0x1f)));
        if (map.has(key)) throw malformed(`duplicate map key ${JSON.stringify(key.slice(0, 100))}`);
        map.set(key, this.readValue());
      }
      return map;
    });
  }

  #readTagged(tag: bigint): CID {
    if (tag !== LINK_TAG || !this.#form.links) throw malformed(`unhandled tag ${tag}`);
    const initial = this.#readByte();
    if (initial >> 5 !== 2) throw malformed("a link that is not bytes");
    const bytes = this.#take(this.#readArgument(initial & 0x1f));
    if (bytes[0] !== 0) throw malformed("invalid multibase on a link");
    return decodeLink(bytes.subarray(1));
  }

  #readSimple(initial: number): DagNode {
    if (initial === 0xf4 || initial === 0xf5) return initial === 0xf5;
    // Kubo reads undefined as null.
    if (initial === 0xf6 || initial === 0xf7) return null;
    if (initial < 0xf9 || initial > 0xfb) throw malformed(`invalid initial byte 0x${initial.toString(16)}`);
    const width = 1 << (initial - 0xf8);
    const start = this.#at;
    this.#take(BigInt(width));
    const value =
      width === 2
        ? float16(this.#view.getUint16(start))
        : width === 4
          ? this.#view.getFloat32(start)
          : this.#view.getFloat64(start);
    if (!Number.isFinite(value)) throw malformed("NaN and infinity are not in the data model");
    return value;
  }
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw malformed("text that is not UTF-8", cause);
  }
}

function decodeLink(bytes: Uint8Array): CID {
  try {
    // The parser's bytes belong to a whole block, which a link must not keep alive.
    return CID.decode(Uint8Array.from(bytes));
  } catch (cause) {
    throw malformed("a link that is not a CID", cause);
  }
}

/** @throws HoldfastError `INVALID_ARGUMENT` for what this form cannot hold. */
export function encodeCbor(node: DagNode, form: CborForm): Uint8Array {
  const pieces: Uint8Array[] = [];
  writeValue(node, form, pieces);
  return Buffer.concat(pieces);
}

function writeValue(node: DagNode, form: CborForm, pieces: Uint8Array[]): void {
  if (node === null) pieces.push(Buffer.of(0xf6));
  else if (typeof node === "boolean") pieces.push(Buffer.of(node ? 0xf5 : 0xf4));
  else if (typeof node === "bigint") pieces.push(integer(node));
  else if (typeof node === "number") pieces.push(float(node));
  else if (typeof node === "string") pieces.push(...text(Buffer.from(node)));
  else if (node instanceof Uint8Array) pieces.push(head(2, BigInt(node.byteLength)), node);
  else if (isLink(node)) writeLink(node, form, pieces);
  else if (isMap(node)) writeMap(node, form, pieces);
  else if (isList(node)) {
    pieces.push(head(4, BigInt(node.length)));
    for (const element of node) writeValue(element, form, pieces);
  }
}

function writeLink(cid: CID, form: CborForm, pieces: Uint8Array[]): void {
  if (!form.links) throw invalidNode("plain CBOR cannot hold links");
  pieces.push(head(6, LINK_TAG), head(2, BigInt(cid.bytes.byteLength + 1)), Buffer.of(0), cid.bytes);
}

function writeMap(map: DagMap, form: CborForm, pieces: Uint8Array[]): void {
  pieces.push(head(5, BigInt(map.size)));
  const entries = [...map].map(([key, value]) => ({ key: Buffer.from(key), value }));
  if (form.sortsKeys) {
    entries.sort((a, b) => a.key.byteLength - b.key.byteLength || Buffer.compare(a.key, b.key));
  }
  for (const { key, value } of entries) {
    pieces.push(...text(key));
    writeValue(value, form, pieces);
  }
}

const text = (bytes: Uint8Array): Uint8Array[] => [head(3, BigInt(bytes.byteLength)), bytes];

function integer(value: bigint): Uint8Array {
  if (value > UINT64_MAX || value < INT64_MIN) throw invalidNode("an integer beyond the range of 64 bits");
  return value >= 0n ? head(0, value) : head(1, -1n - value);
}

function float(value: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xfb;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function head(major: number, argument: bigint): Uint8Array {
  const initial = major << 5;
  if (argument < 24n) return Buffer.of(initial | Number(argument));
  const widthLog2 = argument < 0x100n ? 0 : argument < 0x1_0000n ? 1 : argument < 0x1_0000_0000n ? 2 : 3;
  const bytes = Buffer.alloc(1 + (1 << widthLog2));
  bytes[0] = initial | (24 + widthLog2);
  for (let i = bytes.byteLength - 1, rest = argument; i > 0; i--, rest >>= 8n)
    bytes[i] = Number(rest & 0xffn);
  return bytes;
}

function malformed(what: string, cause?: unknown) {
  return invalidNode(`malformed CBOR: ${what}`, cause);
}
