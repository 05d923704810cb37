import { ProtobufError, ProtobufReader, ProtobufWriter, WIRE_BYTES, WIRE_VARINT } from "./protobuf.ts";
import { recordInvalid } from "./record-problem.ts";
import { ABSENT, spanOf } from "./span.ts";
import type { Span } from "./span.ts";

/** The protobuf fields of a record. Only `signatureV2` and `data` count; the rest is unsigned. */
export interface Envelope {
  value: Span;
  signatureV1: Span;
  validityType: bigint | undefined;
  validity: Span;
  sequence: bigint | undefined;
  ttl: bigint | undefined;
  publicKey: Span;
  signatureV2: Span;
  data: Span;
}

const VALUE = 1;
const SIGNATURE_V1 = 2;
const VALIDITY_TYPE = 3;
const VALIDITY = 4;
const SEQUENCE = 5;
const TTL = 6;
const PUBLIC_KEY = 7;
const SIGNATURE_V2 = 8;
const DATA = 9;

/**
 * Reads the outer protobuf.
 *
 * Nothing signs the envelope, and of two records that are equal in sequence and EOL the one with the greater bytes
 * wins. If unknown fields, repeated fields ("two records in a row"), another field order or padded numbers were
 * tolerated, anyone could make an endless series of variants of an owner's record, each beating the one before, and
 * every node would store and publish them. All writers (boxo, js-ipns) write the known fields at most once, in the
 * order of their numbers; only that form is a record.
 *
 * @throws HoldfastError `RECORD_INVALID`: `PROTOBUF_INVALID`, `ENVELOPE_NOT_CANONICAL`
 * @see https://specs.ipfs.tech/ipns/ipns-record/#record-serialization-format
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const envelope: Envelope = {
    value: ABSENT,
    signatureV1: ABSENT,
    validityType: undefined,
    validity: ABSENT,
    sequence: undefined,
    ttl: undefined,
    publicKey: ABSENT,
    signatureV2: ABSENT,
    data: ABSENT,
  };
  try {
    const reader = new ProtobufReader(bytes);
    for (let previous = 0; !reader.done;) {
      const tag = reader.readTag();
      const field = tag >>> 3;
      if (field > DATA || field === 0)
        throw recordInvalid("ENVELOPE_NOT_CANONICAL", `field ${field} is unknown`);
      if (field <= previous) {
        throw recordInvalid("ENVELOPE_NOT_CANONICAL", `field ${field} is repeated or out of order`);
      }
      readField(reader, envelope, field, tag & 7);
      previous = field;
    }
    return envelope;
  } catch (err) {
    if (!(err instanceof ProtobufError)) throw err;
    throw recordInvalid("PROTOBUF_INVALID", err.message, err);
  }
}

/** V1 copies are written if there is a `signatureV1`; `publicKey` if it is given. */
export function encodeEnvelope(fields: {
  readonly v1?: {
    readonly value: Uint8Array;
    readonly signature: Uint8Array;
    readonly validity: Uint8Array;
    readonly sequence: bigint;
    readonly ttlNs: bigint;
  };
  readonly publicKey?: Uint8Array;
  readonly signatureV2: Uint8Array;
  readonly data: Uint8Array;
}): Uint8Array {
  const writer = new ProtobufWriter();
  if (fields.v1 !== undefined) {
    writer.bytesField(VALUE, fields.v1.value);
    writer.bytesField(SIGNATURE_V1, fields.v1.signature);
    writer.varintField(VALIDITY_TYPE, 0n);
    writer.bytesField(VALIDITY, fields.v1.validity);
    writer.varintField(SEQUENCE, fields.v1.sequence);
    writer.varintField(TTL, fields.v1.ttlNs);
  }
  if (fields.publicKey !== undefined) writer.bytesField(PUBLIC_KEY, fields.publicKey);
  return writer.bytesField(SIGNATURE_V2, fields.signatureV2).bytesField(DATA, fields.data).finish();
}

function readField(reader: ProtobufReader, envelope: Envelope, field: number, wireType: number): void {
  const isNumber = field === VALIDITY_TYPE || field === SEQUENCE || field === TTL;
  if (wireType !== (isNumber ? WIRE_VARINT : WIRE_BYTES)) {
    throw new ProtobufError(`field ${field} has the wire type ${wireType}`);
  }
  switch (field) {
    case VALUE:
      envelope.value = readSpan(reader);
      return;
    case SIGNATURE_V1:
      envelope.signatureV1 = readSpan(reader);
      return;
    case VALIDITY_TYPE:
      envelope.validityType = reader.readVarint();
      return;
    case VALIDITY:
      envelope.validity = readSpan(reader);
      return;
    case SEQUENCE:
      envelope.sequence = reader.readVarint();
      return;
    case TTL:
      envelope.ttl = reader.readVarint();
      return;
    case PUBLIC_KEY:
      envelope.publicKey = readSpan(reader);
      return;
    case SIGNATURE_V2:
      envelope.signatureV2 = readSpan(reader);
      return;
    case DATA:
      envelope.data = readSpan(reader);
      return;
  }
}

function readSpan(reader: ProtobufReader): Span {
  const start = reader.skipBytes();
  return spanOf(start, reader.position);
}
