import { CID } from "multiformats/cid";
import { HoldfastError } from "../errors.ts";
import { decodeUtf8 } from "../utf8.ts";
import { decodeEnvelope } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";
import { decodeRecordData } from "./record-data.ts";
import type { RecordData } from "./record-data.ts";
import { recordInvalid } from "./record-problem.ts";
import { ABSENT, equalSpans, isEmptySpan, viewSpan } from "./span.ts";
import type { Span } from "./span.ts";

/** The specification's limit; one byte more is refused before parsing. */
export const RECORD_BYTES_MAX = 10_240;

/** A record as signed. Everything but `embeddedPublicKey` and the signature is read from the signed data (R8). */
export interface IpnsRecord {
  /** The whole record as it came; two records are the same only if these are. Not to be written to, nor are its parts. */
  readonly bytes: Uint8Array;
  /** As signed; {@link contentPathOf} interprets it. */
  readonly value: Uint8Array;
  /** 0 … 2⁶³−1. */
  readonly sequence: bigint;
  /** The RFC 3339 text of the EOL, as signed. */
  readonly validity: string;
  /** The EOL, after which the record is invalid, in ns since the Unix epoch. */
  readonly eolNs: bigint;
  /** The same in ms, rounded down. */
  readonly eolMs: number;
  /** 0 … 2⁶³−1; a hint for caches. Absent if the owner did not say. */
  readonly ttlNs: bigint | undefined;
  readonly signatureV2: Uint8Array;
  /** The signed DAG-CBOR. */
  readonly data: Uint8Array;
  /** A libp2p `PublicKey` message, undecoded. */
  readonly embeddedPublicKey: Uint8Array | undefined;
}

/** What a {@link DecodedRecord} holds: numbers and ranges of its bytes. */
export interface RecordParts {
  readonly bytes: Uint8Array;
  readonly sequence: bigint;
  readonly eolNs: bigint;
  readonly eolMs: number;
  readonly ttlNs: bigint | undefined;
  readonly spans: RecordSpans;
}

interface RecordSpans {
  readonly value: Span;
  readonly validity: Span;
  readonly signatureV2: Span;
  readonly data: Span;
  readonly publicKey: Span;
}

/** Its byte fields are views that are made when asked for, so that a record at rest is small. */
export class DecodedRecord implements IpnsRecord {
  readonly bytes: Uint8Array;
  readonly sequence: bigint;
  readonly eolNs: bigint;
  readonly eolMs: number;
  readonly ttlNs: bigint | undefined;
  readonly #value: Span;
  readonly #validity: Span;
  readonly #signatureV2: Span;
  readonly #data: Span;
  readonly #publicKey: Span;

  constructor(parts: RecordParts) {
    this.bytes = parts.bytes;
    this.sequence = parts.sequence;
    this.eolNs = parts.eolNs;
    this.eolMs = parts.eolMs;
    this.ttlNs = parts.ttlNs;
    this.#value = parts.spans.value;
    this.#validity = parts.spans.validity;
    this.#signatureV2 = parts.spans.signatureV2;
    this.#data = parts.spans.data;
    this.#publicKey = parts.spans.publicKey;
  }

  get value(): Uint8Array {
    return viewSpan(this.bytes, this.#value);
  }

  get validity(): string {
    // ASCII: the decoder has parsed it as a time.
    return String.fromCharCode(...viewSpan(this.bytes, this.#validity));
  }

  get signatureV2(): Uint8Array {
    return viewSpan(this.bytes, this.#signatureV2);
  }

  get data(): Uint8Array {
    return viewSpan(this.bytes, this.#data);
  }

  get embeddedPublicKey(): Uint8Array | undefined {
    return this.#publicKey === ABSENT ? undefined : viewSpan(this.bytes, this.#publicKey);
  }
}

/**
 * Decodes a record without trusting it: the structure is checked, the signature, the key and the EOL are not.
 * The result shares the given bytes.
 *
 * Never throws anything but a HoldfastError; takes microseconds, whatever the bytes.
 *
 * @throws HoldfastError `RECORD_INVALID`; `details.reason` is a {@link RecordProblem}.
 * @see https://specs.ipfs.tech/ipns/ipns-record/#record-serialization-format
 */
export function decodeRecord(bytes: Uint8Array): IpnsRecord {
  return new DecodedRecord(decodeRecordParts(bytes));
}

export function decodeRecordParts(bytes: Uint8Array): RecordParts {
  if (bytes.length > RECORD_BYTES_MAX) throw recordInvalid("TOO_LARGE");
  if (bytes.length === 0) throw recordInvalid("EMPTY");
  const envelope = decodeEnvelope(bytes);
  const { signatureV2, data: dataSpan, publicKey } = envelope;
  if (signatureV2 === ABSENT || isEmptySpan(signatureV2)) throw recordInvalid("SIGNATURE_MISSING");
  if (dataSpan === ABSENT || isEmptySpan(dataSpan)) throw recordInvalid("DATA_MISSING");
  const data = decodeRecordData(bytes, dataSpan);
  assertV1Copies(bytes, envelope, data);
  const { sequence, eolNs, eolMs, ttlNs, value, validity } = data;
  return {
    bytes,
    sequence,
    eolNs,
    eolMs,
    ttlNs,
    spans: { value, validity, signatureV2, data: dataSpan, publicKey },
  };
}

/**
 * A record has all five unsigned copies, each equal to what is signed, or none. boxo looks at them only if there is a
 * value or a V1 signature; a lone copy (say, a `sequence`) would be one more way to vary the bytes of a record.
 * As in boxo, a record with copies cannot lack a TTL. `signatureV1` itself is never verified.
 */
function assertV1Copies(bytes: Uint8Array, envelope: Envelope, data: RecordData): void {
  const { value, signatureV1, validityType, validity, sequence, ttl } = envelope;
  const isV2Only =
    value === ABSENT &&
    signatureV1 === ABSENT &&
    validityType === undefined &&
    validity === ABSENT &&
    sequence === undefined &&
    ttl === undefined;
  if (isV2Only) return;
  const equal =
    value !== ABSENT &&
    equalSpans(bytes, value, data.value) &&
    validity !== ABSENT &&
    equalSpans(bytes, validity, data.validity) &&
    validityType === 0n &&
    sequence === data.sequence &&
    ttl !== undefined &&
    ttl === data.ttlNs;
  if (!equal) throw recordInvalid("V1_MISMATCH");
}

const EMPTY_VALUE_PATH = "/ipfs/bafkqaaa";

/**
 * What the record points to: `/ipfs/…` or `/ipns/…`, not percent-encoded. An empty value is the empty block, a value
 * without a slash in front is a binary CID.
 *
 * @throws HoldfastError `INVALID_PATH` when the owner signed something else. The record is valid all the same.
 * @see https://specs.ipfs.tech/ipns/ipns-record/#value-bytes
 */
export function contentPathOf(record: IpnsRecord): string {
  const { value } = record;
  if (value.length === 0) return EMPTY_VALUE_PATH;
  if (value[0] !== SLASH) return pathOfBinaryCid(value);
  const path = decodeUtf8(value);
  if (path === undefined || !/^\/ip[fn]s\/[^/]/u.test(path)) {
    throw new HoldfastError("INVALID_PATH", "the value of the record is not a content path");
  }
  return path;
}

const SLASH = 0x2f;

function pathOfBinaryCid(value: Uint8Array): string {
  try {
    return `/ipfs/${CID.decode(value).toString()}`;
  } catch (err) {
    throw new HoldfastError("INVALID_PATH", "the value of the record is neither a path nor a CID", {
      cause: err,
    });
  }
}
