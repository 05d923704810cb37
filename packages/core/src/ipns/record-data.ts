import { encode } from "cborg";
import { HoldfastError } from "../errors.ts";
import { encodeUtf8 } from "../utf8.ts";
import { BYTES, DagCborError, DagCborReader, UNSIGNED } from "./dag-cbor.ts";
import { recordInvalid } from "./record-problem.ts";
import type { RecordProblem } from "./record-problem.ts";
import { ABSENT, spanEnd, spanOf, spanStart, viewSpan } from "./span.ts";
import type { Span } from "./span.ts";
import { parseValidity } from "./validity.ts";

/** What the owner signed. */
export interface RecordData {
  value: Span;
  validity: Span;
  eolNs: bigint;
  eolMs: number;
  sequence: bigint;
  ttlNs: bigint | undefined;
}

/** Keys beside the five of the specification: boxo writes these types, with `_` before the key. */
export type RecordMetadata = Readonly<Record<string, string | bigint | number | boolean | Uint8Array>>;

/** 2⁶³−1: boxo reads `Sequence` and `TTL` with a signed accessor. */
export const INT64_MAX: bigint = 2n ** 63n - 1n;

/**
 * Reads the signed DAG-CBOR. Keys that are not of the specification are legal and skipped.
 *
 * @throws HoldfastError `RECORD_INVALID`
 * @see https://specs.ipfs.tech/ipns/ipns-record/#dag-cbor-serialization
 */
export function decodeRecordData(bytes: Uint8Array, span: Span): RecordData {
  const fields = {
    value: ABSENT,
    validity: ABSENT,
    validityType: -1n,
    sequence: -1n,
    ttlNs: undefined as bigint | undefined,
  };
  try {
    const reader = new DagCborReader(bytes, spanStart(span), spanEnd(span));
    reader.readMap((keyStart, keyEnd) => {
      switch (fieldAt(bytes, keyStart, keyEnd)) {
        case "Value":
          fields.value = readBytes(reader, "VALUE_INVALID");
          return;
        case "Validity":
          fields.validity = readBytes(reader, "VALIDITY_INVALID");
          return;
        case "ValidityType":
          fields.validityType = readUnsigned(reader, "VALIDITY_TYPE_UNSUPPORTED");
          return;
        case "Sequence":
          fields.sequence = readUnsigned(reader, "SEQUENCE_INVALID");
          return;
        case "TTL":
          fields.ttlNs = readUnsigned(reader, "TTL_INVALID");
          return;
        case undefined:
          reader.skipValue();
          return;
      }
    });
    reader.assertEnd();
  } catch (err) {
    if (!(err instanceof DagCborError)) throw err;
    throw recordInvalid("DATA_INVALID", err.message, err);
  }
  if (fields.value === ABSENT) throw recordInvalid("VALUE_INVALID");
  if (fields.validityType !== 0n) throw recordInvalid("VALIDITY_TYPE_UNSUPPORTED");
  if (fields.sequence < 0n) throw recordInvalid("SEQUENCE_INVALID");
  const eol = fields.validity === ABSENT ? undefined : parseValidity(viewSpan(bytes, fields.validity));
  if (eol === undefined) throw recordInvalid("VALIDITY_INVALID");
  const { value, validity, sequence, ttlNs } = fields;
  return { value, validity, eolNs: eol.ns, eolMs: eol.ms, sequence, ttlNs };
}

/** @throws HoldfastError `INVALID_ARGUMENT` for metadata that no reader would take. */
export function encodeRecordData(fields: {
  readonly value: Uint8Array;
  readonly validity: Uint8Array;
  readonly sequence: bigint;
  readonly ttlNs: bigint | undefined;
  readonly metadata: RecordMetadata;
}): Uint8Array {
  const map = new Map<string, unknown>();
  for (const [key, value] of Object.entries(fields.metadata)) {
    if (key === "" || FIELDS.some((field) => field.key === key)) {
      throw new HoldfastError("INVALID_ARGUMENT", `${JSON.stringify(key)} cannot be a metadata key`);
    }
    if (typeof value === "number" ? !Number.isSafeInteger(value) : isBeyondInt64(value)) {
      throw new HoldfastError(
        "INVALID_ARGUMENT",
        `the metadata ${JSON.stringify(key)} is not a 64-bit integer`,
      );
    }
    map.set(key, value);
  }
  if (fields.ttlNs !== undefined) map.set("TTL", fields.ttlNs);
  map.set("Value", fields.value).set("Sequence", fields.sequence);
  map.set("Validity", fields.validity).set("ValidityType", 0);
  return encode(map);
}

function isBeyondInt64(value: unknown): boolean {
  return typeof value === "bigint" && (value > INT64_MAX || value < -INT64_MAX - 1n);
}

type FieldKey = "TTL" | "Value" | "Sequence" | "Validity" | "ValidityType";

const FIELDS: readonly { readonly key: FieldKey; readonly codes: Uint8Array }[] = (
  ["TTL", "Value", "Sequence", "Validity", "ValidityType"] as const
).map((key) => ({ key, codes: encodeUtf8(key) }));

function fieldAt(bytes: Uint8Array, start: number, end: number): FieldKey | undefined {
  for (const { key, codes } of FIELDS) {
    if (codes.length === end - start && codes.every((code, i) => bytes[start + i] === code)) return key;
  }
  return undefined;
}

function readBytes(reader: DagCborReader, problem: RecordProblem): Span {
  if (reader.readHead() !== BYTES) throw recordInvalid(problem);
  const start = reader.position;
  reader.skipContent();
  return spanOf(start, reader.position);
}

function readUnsigned(reader: DagCborReader, problem: RecordProblem): bigint {
  if (reader.readHead() !== UNSIGNED || reader.argument > INT64_MAX) throw recordInvalid(problem);
  return BigInt(reader.argument);
}
