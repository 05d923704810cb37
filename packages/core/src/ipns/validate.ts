import { concatBytes, equalBytes } from "../bytes.ts";
import { encodeUtf8 } from "../utf8.ts";
import { multihashOfPublicKey } from "./name.ts";
import type { IpnsName } from "./name.ts";
import { decodePublicKey } from "./public-key.ts";
import type { PublicKey } from "./public-key.ts";
import { recordInvalid } from "./record-problem.ts";
import { DecodedRecord, decodeRecordParts, RECORD_BYTES_MAX } from "./record.ts";
import type { IpnsRecord, RecordParts } from "./record.ts";

/**
 * Checks a signature: Ed25519 plain; RSA PKCS #1 v1.5 with SHA-256; Secp256k1 and ECDSA with SHA-256, DER-encoded.
 * Answers false for a key that cannot be used; what it throws (a full queue, say) reaches the caller of
 * {@link validateRecord} as it is.
 */
export type VerifySignature = (
  publicKey: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean | Promise<boolean>;

let mintRecord: (name: IpnsName, parts: RecordParts) => ValidatedRecord;

/**
 * A record whose signature was checked against the key of its name. Only {@link validateRecord} and
 * {@link restoreRecord} make one; a copy or a literal does not pass the compiler. It owns its bytes.
 *
 * It may have expired since: ask {@link freshnessOf}.
 */
export class ValidatedRecord extends DecodedRecord {
  readonly #name: IpnsName;

  static {
    mintRecord = (name, parts) => new ValidatedRecord(name, parts);
  }

  private constructor(name: IpnsName, parts: RecordParts) {
    super(parts);
    this.#name = name;
  }

  get name(): IpnsName {
    return this.#name;
  }
}

/**
 * Turns untrusted bytes into a record of that name. The cheap checks come first, the signature last.
 *
 * @throws HoldfastError `RECORD_INVALID`; `details.reason` is a {@link RecordProblem}.
 * @see https://specs.ipfs.tech/ipns/ipns-record/#record-verification
 */
export async function validateRecord(
  bytes: Uint8Array,
  name: IpnsName,
  { nowMs, verifySignature }: { readonly nowMs: number; readonly verifySignature: VerifySignature },
): Promise<ValidatedRecord> {
  const { parts, publicKey, signedBytes, signature } = checkParts(ownBytes(bytes), name, nowMs);
  if (!(await verifySignature(publicKey, signedBytes, signature))) throw recordInvalid("SIGNATURE_INVALID");
  return mintRecord(name, parts);
}

/**
 * Everything that validation checks except the signature: size, structure, that the key is the key of the name, EOL.
 * For those who check signatures elsewhere or later; the result is not trusted. The record shares the given bytes.
 *
 * @returns also the message that `record.signatureV2` must sign.
 * @throws HoldfastError `RECORD_INVALID`; `details.reason` is a {@link RecordProblem}.
 */
export function checkRecord(
  bytes: Uint8Array,
  name: IpnsName,
  nowMs: number,
): { readonly record: IpnsRecord; readonly publicKey: PublicKey; readonly signedBytes: Uint8Array } {
  const { parts, publicKey, signedBytes } = checkParts(bytes, name, nowMs);
  return { record: new DecodedRecord(parts), publicKey, signedBytes };
}

/**
 * For store adapters only: bytes that {@link validateRecord} accepted for this name before they were stored. Neither
 * the signature nor the EOL is checked again, so the result may have expired.
 *
 * @throws HoldfastError `RECORD_INVALID` when the store gives back something else than it was given.
 */
export function restoreRecord(bytes: Uint8Array, name: IpnsName): ValidatedRecord {
  return mintRecord(name, decodeRecordParts(ownBytes(bytes)));
}

const SIGNATURE_PREFIX = encodeUtf8("ipns-signature:");

/** @see https://specs.ipfs.tech/ipns/ipns-record/#signature-creation */
export function signedBytesOf(data: Uint8Array): Uint8Array {
  return concatBytes(SIGNATURE_PREFIX, data);
}

function checkParts(bytes: Uint8Array, name: IpnsName, nowMs: number): CheckedParts {
  const parts = decodeRecordParts(bytes);
  const record = new DecodedRecord(parts);
  const publicKey = publicKeyOf(record, name);
  if (nowMs > record.eolMs) throw recordInvalid("EXPIRED", `since ${record.validity}`);
  return { parts, publicKey, signedBytes: signedBytesOf(record.data), signature: record.signatureV2 };
}

interface CheckedParts {
  readonly parts: RecordParts;
  readonly publicKey: PublicKey;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

function publicKeyOf(record: IpnsRecord, name: IpnsName): PublicKey {
  if (record.embeddedPublicKey === undefined) {
    if (name.publicKey === undefined) throw recordInvalid("PUBLIC_KEY_MISSING");
    return name.publicKey;
  }
  const publicKey = decodeEmbeddedKey(record.embeddedPublicKey);
  if (!equalBytes(multihashOfPublicKey(publicKey), name.multihash))
    throw recordInvalid("PUBLIC_KEY_MISMATCH");
  return publicKey;
}

function decodeEmbeddedKey(protobuf: Uint8Array): PublicKey {
  try {
    return decodePublicKey(protobuf);
  } catch (err) {
    throw recordInvalid("PUBLIC_KEY_INVALID", undefined, err);
  }
}

/** A copy of its own: the caller may reuse its buffer, and a small record must not keep a large one alive. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length > RECORD_BYTES_MAX) throw recordInvalid("TOO_LARGE");
  return new Uint8Array(bytes);
}
