import {
  decodePublicKey,
  decodeRecord,
  HoldfastError,
  type IpnsName,
  ipnsNameOfPublicKey,
  type IpnsRecord,
  recordProblemOf,
  validateRecord,
} from "@holdfast/core";
import { verifySignature } from "../adapters/crypto/verify-signature.ts";
import { type NameView, type RecordView, viewName, viewRecord } from "../http/name-view.ts";

/** What is in a record, and whether it is one of that name. */
export interface InspectedRecord extends Partial<NameView> {
  readonly valid: boolean;
  /** The step of validation that it fails, a stable word; null when it is valid or could not be told. */
  readonly reason: string | null;
  readonly message: string;
  readonly byteLength: number;
  /** Null when the bytes cannot be decoded. Everything is as signed, which is worth nothing unless `valid`. */
  readonly record: RecordView | null;
}

/** @param givenName absent: the name of the key that the record embeds, if it does. */
export async function inspectRecord(
  bytes: Uint8Array,
  givenName: IpnsName | undefined,
  nowMs: number = Date.now(),
): Promise<InspectedRecord> {
  const byteLength = bytes.length;
  const unknown = { valid: false, reason: null, byteLength, record: null };
  let record: IpnsRecord;
  try {
    record = decodeRecord(bytes);
  } catch (err) {
    return { ...unknown, ...problemIn(err) };
  }
  const name = givenName ?? nameIn(record);
  if (name === undefined) {
    const message = "not checked: the record does not embed its key, so give the name";
    return { ...unknown, message, record: viewRecord(undefined, record, nowMs) };
  }
  const facts = { ...viewName(name), byteLength, record: viewRecord(name, record, nowMs) };
  try {
    await validateRecord(bytes, name, { nowMs, verifySignature });
    return {
      ...facts,
      valid: true,
      reason: null,
      message: "the signature is the name's, and it has not expired",
    };
  } catch (err) {
    return { ...facts, valid: false, ...problemIn(err) };
  }
}

function problemIn(err: unknown): { readonly reason: string; readonly message: string } {
  const reason = recordProblemOf(err);
  if (reason === undefined || !(err instanceof HoldfastError)) throw err;
  return { reason, message: err.message };
}

function nameIn({ embeddedPublicKey }: IpnsRecord): IpnsName | undefined {
  if (embeddedPublicKey === undefined) return undefined;
  try {
    return ipnsNameOfPublicKey(decodePublicKey(embeddedPublicKey));
  } catch {
    // A key that is none has no name.
    return undefined;
  }
}
