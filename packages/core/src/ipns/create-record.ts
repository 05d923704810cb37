import { concatBytes } from "../bytes.ts";
import { HoldfastError } from "../errors.ts";
import { encodeUtf8 } from "../utf8.ts";
import { encodeEnvelope } from "./envelope.ts";
import { ipnsNameOfPublicKey } from "./name.ts";
import type { PublicKey } from "./public-key.ts";
import { encodeRecordData, INT64_MAX } from "./record-data.ts";
import type { RecordMetadata } from "./record-data.ts";
import { RECORD_BYTES_MAX } from "./record.ts";
import { signedBytesOf } from "./validate.ts";
import { formatValidity, parseValidity } from "./validity.ts";

/** Signs a message with the private key of the name, in the way of its key type (see {@link VerifySignature}). */
export type Sign = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;

export interface RecordContent {
  /** `/ipfs/…`, `/ipns/…`, or empty; bytes are taken as they are. */
  readonly value: string | Uint8Array;
  /** 0 … 2⁶³−1. */
  readonly sequence: bigint;
  /** The EOL in ms since the Unix epoch. Either this or `validity`. */
  readonly eolMs?: number;
  /** The EOL as RFC 3339 text, written as it is. */
  readonly validity?: string;
  /** Default: 5 minutes (boxo's) with V1 fields, which boxo refuses without a TTL; none in a V2-only record. */
  readonly ttlNs?: bigint;
  /** Whether to add the unsigned V1 copies and a V1 signature. Default true. */
  readonly v1Compatible?: boolean;
  /** The key of the name; embedded if the name does not contain it. */
  readonly publicKey?: PublicKey;
  readonly metadata?: RecordMetadata;
}

const TTL_DEFAULT_NS = 300_000_000_000n;
const DATE_MS_MAX = 8.64e15;
const V1_SIGNATURE_SUFFIX = encodeUtf8("EOL");

/**
 * Makes a signed record, with the bytes that boxo and js-ipns would make.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when the content cannot be a valid record.
 * @see https://specs.ipfs.tech/ipns/ipns-record/#record-creation
 */
export async function createRecord(content: RecordContent, sign: Sign): Promise<Uint8Array> {
  const { sequence, publicKey, v1Compatible = true, metadata = {} } = content;
  const value = valueBytesOf(content.value);
  const validity = validityBytesOf(content);
  const ttlNs = content.ttlNs ?? (v1Compatible ? TTL_DEFAULT_NS : undefined);
  assertInt64("sequence", sequence);
  if (ttlNs !== undefined) assertInt64("ttlNs", ttlNs);
  const data = encodeRecordData({ value, validity, sequence, ttlNs, metadata });
  const signatureV2 = await sign(signedBytesOf(data));
  const embeds = publicKey !== undefined && ipnsNameOfPublicKey(publicKey).publicKey === undefined;
  const bytes = encodeEnvelope({
    signatureV2,
    data,
    ...(embeds && { publicKey: publicKey.protobuf }),
    ...(v1Compatible && {
      v1: {
        value,
        signature: await sign(concatBytes(value, validity, V1_SIGNATURE_SUFFIX)),
        validity,
        sequence,
        ttlNs: ttlNs ?? TTL_DEFAULT_NS,
      },
    }),
  });
  if (bytes.length > RECORD_BYTES_MAX) throw invalidArgument(`the record would have ${bytes.length} bytes`);
  return bytes;
}

function valueBytesOf(value: string | Uint8Array): Uint8Array {
  if (typeof value !== "string") return value;
  if (value !== "" && !/^\/ip[fn]s\/[^/]/u.test(value)) {
    throw invalidArgument(`the value ${JSON.stringify(value.slice(0, 100))} is not a content path`);
  }
  return encodeUtf8(value);
}

function validityBytesOf({ eolMs, validity }: RecordContent): Uint8Array {
  if ((eolMs === undefined) === (validity === undefined)) {
    throw invalidArgument("exactly one of eolMs and validity is needed");
  }
  if (eolMs !== undefined && !(Number.isInteger(eolMs) && Math.abs(eolMs) <= DATE_MS_MAX)) {
    throw invalidArgument("eolMs is not an integer number of milliseconds that a date can have");
  }
  const text = encodeUtf8(validity ?? formatValidity(eolMs ?? 0));
  if (parseValidity(text) === undefined)
    throw invalidArgument("the EOL is not a time in the years 0000 to 9999");
  return text;
}

function assertInt64(what: string, value: bigint): void {
  if (value < 0n || value > INT64_MAX) throw invalidArgument(`${what} is not in 0 … 2^63-1`);
}

function invalidArgument(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", `cannot make an IPNS record: ${message}`);
}
