import { HoldfastError, isHoldfastError } from "../errors.ts";

/** Why a record was refused: `details.reason` of an error with the code `RECORD_INVALID`. */
export type RecordProblem = keyof typeof MESSAGES;

const MESSAGES = {
  EMPTY: "the record is empty",
  TOO_LARGE: "the record exceeds 10240 bytes",
  PROTOBUF_INVALID: "the record is not an IpnsEntry protobuf",
  /** Well-formed protobuf, but with fields that are unknown, repeated or out of order. */
  ENVELOPE_NOT_CANONICAL: "the record is not the one canonical encoding of its fields",
  SIGNATURE_MISSING: "the record has no signatureV2",
  DATA_MISSING: "the record has no signed data",
  DATA_INVALID: "the signed data is not a canonical DAG-CBOR map",
  VALUE_INVALID: "Value is missing or is not a byte string",
  VALIDITY_TYPE_UNSUPPORTED: "ValidityType is missing or is not 0 (EOL)",
  VALIDITY_INVALID: "Validity is missing or is not a byte string with an RFC 3339 time",
  SEQUENCE_INVALID: "Sequence is missing or is not an integer from 0 to 2^63-1",
  TTL_INVALID: "TTL is not an integer from 0 to 2^63-1",
  V1_MISMATCH: "the unsigned V1 fields do not equal the signed ones",
  PUBLIC_KEY_INVALID: "the embedded public key is malformed",
  PUBLIC_KEY_MISSING: "the record embeds no public key and the name does not contain one",
  PUBLIC_KEY_MISMATCH: "the embedded public key is not the key of the name",
  SIGNATURE_INVALID: "the signature does not match",
  EXPIRED: "the record has expired",
} as const;

/** @param why more than the reason alone says. */
export function recordInvalid(reason: RecordProblem, why?: string, cause?: unknown): HoldfastError {
  const message = `invalid IPNS record: ${MESSAGES[reason]}${why === undefined ? "" : `: ${why}`}`;
  return new HoldfastError("RECORD_INVALID", message, { cause, details: { reason } });
}

/** @returns the reason of a `RECORD_INVALID` error; `undefined` for any other value. */
export function recordProblemOf(err: unknown): RecordProblem | undefined {
  if (!isHoldfastError(err) || err.code !== "RECORD_INVALID") return undefined;
  const reason = err.details["reason"];
  return typeof reason === "string" && Object.hasOwn(MESSAGES, reason)
    ? (reason as RecordProblem)
    : undefined;
}
