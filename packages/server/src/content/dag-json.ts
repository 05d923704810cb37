import { isHoldfastError, parseCid } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { type DagMap, type DagNode, invalidNode, isLink, isList, isMap, NodeBudget } from "./dag-node.ts";

/**
 * DAG-JSON and plain JSON as Kubo 0.43 reads and writes them, except that only JSON is read: no trailing commas, no number
 * with a leading zero. Our own for the same reason as the CBOR codec: `1.0` is no integer, and keys keep their order.
 *
 * @see https://ipld.io/specs/codecs/dag-json/spec/
 */

export interface JsonForm {
  /** Links and bytes are maps with the one key `/`; keys are sorted; no white space. Without: indented, as Kubo writes it. */
  readonly isDag: boolean;
}

export const DAG_JSON: JsonForm = { isDag: true };
export const PLAIN_JSON: JsonForm = { isDag: false };

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** @throws HoldfastError `INVALID_ARGUMENT`. */
export function decodeJson(bytes: Uint8Array, form: JsonForm): DagNode {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch (cause) {
    throw malformed("it is not UTF-8", cause);
  }
  const reader = new JsonReader(text, form);
  const node = reader.readValue();
  reader.assertEnd();
  return node;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const WORDS: ReadonlyMap<string, DagNode> = new Map([
  ["true", true],
  ["false", false],
  ["null", null],
]);

class JsonReader {
  readonly #text: string;
  readonly #form: JsonForm;
  readonly #budget = new NodeBudget();
  #at = 0;

  constructor(text: string, form: JsonForm) {
    this.#text = text;
    this.#form = form;
  }

  assertEnd(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) throw malformed("unexpected content after the end");
  }

  readValue(): DagNode {
    this.#budget.count();
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === undefined) throw malformed("unexpected end");
    if (first === "{") return this.#readMap();
    if (first === "[") return this.#readList();
    if (first === '"') return this.#readString();
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return this.#readNumber();
  }

  #readList(): readonly DagNode[] {
    return this.#budget.nested(() => {
      const list: DagNode[] = [];
      this.#readElements("]", () => list.push(this.readValue()));
      return list;
    });
  }

  #readMap(): DagNode {
    const map = this.#budget.nested(() => {
      const entries = new Map<string, DagNode>();
      this.#readElements("}", () => {
        this.#skipSpace();
        const key = this.#readString();
        if (entries.has(key)) throw malformed(`cannot repeat map key ${JSON.stringify(key.slice(0, 100))}`);
        this.#expect(":");
        entries.set(key, this.readValue());
      });
      return entries;
    });
    return this.#form.isDag ? linkOrBytesOf(map) : map;
  }

  /** Between the opening bracket, which is next, and the closing one. */
  #readElements(close: string, readElement: () => void): void {
    this.#at++;
    if (this.#isNext(close)) return;
    do readElement();
    while (this.#isNext(","));
    this.#expect(close);
  }

  #readString(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') throw malformed("expected a string");
    let end = start + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    this.#at = end + 1;
    try {
      // Half a surrogate pair becomes U+FFFD, as in Kubo.
      return (JSON.parse(this.#text.slice(start, end + 1)) as string).toWellFormed();
    } catch (cause) {
      throw malformed("a malformed string", cause);
    }
  }

  #readNumber(): DagNode {
    NUMBER.lastIndex = this.#at;
    const [digits, fraction, exponent] = NUMBER.exec(this.#text) ?? [];
    if (digits === undefined) throw malformed(`unexpected ${JSON.stringify(this.#text[this.#at])}`);
    this.#at += digits.length;
    if (fraction === undefined && exponent === undefined) {
      // Longer than any integer of 64 bits: making a bigint of a million digits would take seconds.
      const value = digits.length > 20 ? INT64_MAX + 1n : BigInt(digits);
      if (value > INT64_MAX || value < INT64_MIN) throw malformed("an integer beyond the range of 64 bits");
      return value;
    }
    const value = Number(digits);
    if (!Number.isFinite(value)) throw malformed("a number beyond the range of a float");
    return value;
  }

  #isNext(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#isNext(character)) throw malformed(`expected ${JSON.stringify(character)}`);
  }

  #skipSpace(): void {
    while (" \t\n\r".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }
}

function linkOrBytesOf(map: DagMap): DagNode {
  const inner = map.size === 1 ? map.get("/") : undefined;
  if (typeof inner === "string") return parseLink(inner);
  if (!isMap(inner) || inner.size !== 1) return map;
  const base64 = inner.get("bytes");
  if (typeof base64 !== "string") return map;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw malformed("bytes that are not base64");
  return new Uint8Array(Buffer.from(base64, "base64"));
}

function parseLink(text: string): CID {
  try {
    return parseCid(text);
  } catch (cause) {
    throw malformed(isHoldfastError(cause) ? cause.message : "a link that is not a CID", cause);
  }
}

/** @throws HoldfastError `INVALID_ARGUMENT` for what this form cannot hold. */
export function encodeJson(node: DagNode, form: JsonForm): Uint8Array {
  const pieces: string[] = [];
  if (form.isDag) {
    writeCompact(node, pieces);
  } else {
    writeIndented(node, "", pieces);
    // Kubo ends a list or map with a line end, and nothing else.
    if (isMap(node) || isList(node)) pieces.push("\n");
  }
  return Buffer.from(pieces.join(""));
}

function writeCompact(node: DagNode, pieces: string[]): void {
  if (isMap(node)) {
    const entries = [...node].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    entries.forEach(([key, value], index) => {
      pieces.push(index === 0 ? "{" : ",", quoted(key), ":");
      writeCompact(value, pieces);
    });
    pieces.push(node.size === 0 ? "{}" : "}");
  } else if (isList(node)) {
    node.forEach((element, index) => {
      pieces.push(index === 0 ? "[" : ",");
      writeCompact(element, pieces);
    });
    pieces.push(node.length === 0 ? "[]" : "]");
  } else if (isLink(node)) pieces.push(`{"/":"${node.toString()}"}`);
  else if (node instanceof Uint8Array) {
    pieces.push(`{"/":{"bytes":"${Buffer.from(node).toString("base64").replaceAll("=", "")}"}}`);
  } else pieces.push(scalar(node));
}

function writeIndented(node: DagNode, indent: string, pieces: string[]): void {
  const inner = `${indent}\t`;
  if (isMap(node)) {
    [...node].forEach(([key, value], index) => {
      pieces.push(index === 0 ? "{\n" : ",\n", inner, quoted(key), ": ");
      writeIndented(value, inner, pieces);
    });
    pieces.push(node.size === 0 ? "{}" : `\n${indent}}`);
  } else if (isList(node)) {
    node.forEach((element, index) => {
      pieces.push(index === 0 ? "[\n" : ",\n", inner);
      writeIndented(element, inner, pieces);
    });
    pieces.push(node.length === 0 ? "[]" : `\n${indent}]`);
  } else if (isLink(node)) throw invalidNode("plain JSON cannot hold links");
  else if (node instanceof Uint8Array) throw invalidNode("plain JSON cannot hold bytes");
  else pieces.push(scalar(node));
}

function scalar(node: null | boolean | bigint | number | string): string {
  if (typeof node === "string") return quoted(node);
  if (typeof node === "number") return Object.is(node, -0) ? "-0" : String(node);
  if (typeof node === "bigint" && node > INT64_MAX)
    throw invalidNode("an integer beyond the range of 64 bits");
  return String(node);
}

/** The escapes of Go's encoder: a backspace and a form feed are numbers, and two line separators are escaped. */
function quoted(text: string): string {
  return JSON.stringify(text)
    .replaceAll(/\\([\\"bf])/g, (escape, character) =>
      character === "b" ? "\\u0008" : character === "f" ? "\\u000c" : escape,
    )
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
}

function malformed(what: string, cause?: unknown) {
  return invalidNode(`malformed JSON: ${what}`, cause);
}
