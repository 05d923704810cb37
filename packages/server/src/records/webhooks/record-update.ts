import { pathOrNull } from "../path-or-null.ts";
import type { StoredRecord } from "../record-store.ts";

/** What those hear who want to know of changes: over WebSocket, as server-sent events, at webhooks. */
export interface RecordUpdate {
  readonly type: "update";
  readonly name: string;
  /** Not exact above 2^53; `sequenceText` is. */
  readonly sequence: number;
  /** The CID behind `/ipfs/`, or else the whole path; empty when there is none. */
  readonly cid: string;
  /** When the record was stored, ISO 8601. */
  readonly timestamp: string;
  readonly sequenceText: string;
  /** The whole path; null when the owner signed something that is no content path. */
  readonly value: string | null;
  /** The record's bytes in base64, for whoever believes nobody. */
  readonly record: string;
}

/** An update in the form that the clients of the reference system read: the first five fields are theirs, in their order. */
export function recordUpdate(spelling: string, { record, receivedAtMs }: StoredRecord): RecordUpdate {
  const value = pathOrNull(record);
  return {
    type: "update",
    name: spelling,
    sequence: Number(record.sequence),
    cid: /^\/ipfs\/([^/]+)/.exec(value ?? "")?.[1] ?? value ?? "",
    timestamp: new Date(receivedAtMs).toISOString(),
    sequenceText: record.sequence.toString(),
    value,
    record: Buffer.from(record.bytes).toString("base64"),
  };
}
