import { encode } from "cborg";
import type { TestKey } from "./keys.ts";

/** One protobuf field: a number is a varint, bytes are length-delimited. */
export type RawField = readonly [field: number, value: bigint | Uint8Array];

/** Writes protobuf without any of the checks of the product, in the given order. */
export function encodeRaw(fields: readonly RawField[]): Uint8Array {
  const out: number[] = [];
  for (const [field, value] of fields) {
    if (typeof value === "bigint") {
      out.push(...varint(BigInt(field) * 8n), ...varint(value));
    } else {
      out.push(...varint(BigInt(field) * 8n + 2n), ...varint(BigInt(value.length)), ...value);
    }
  }
  return Uint8Array.from(out);
}

export function varint(value: bigint): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return out;
}

export function utf8(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The keys of a valid record; tests replace or delete some. */
export function dataOf(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    Value: utf8("/ipfs/bafkqaaa"),
    Validity: utf8("2125-01-01T00:00:00.000000000Z"),
    ValidityType: 0,
    Sequence: 5n,
    TTL: 60_000_000_000n,
    ...changes,
  };
}

/** Signs whatever it is given as the data of a V2-only record. */
export function signRaw(key: TestKey, data: Uint8Array | Record<string, unknown>): RawField[] {
  const bytes = data instanceof Uint8Array ? data : encode(withoutUndefined(data));
  return [
    [8, key.sign(concat(utf8("ipns-signature:"), bytes))],
    [9, bytes],
  ];
}

export function signedRecord(key: TestKey, data: Uint8Array | Record<string, unknown>): Uint8Array {
  return encodeRaw(signRaw(key, data));
}

function withoutUndefined(data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
}
