import type { IpnsName, ValidatedRecord } from "@holdfast/core";
import type { ExpectedSequence } from "./expected-sequence.ts";

/** Through which door a record came. Kept with it; shown in history, never used to decide which record wins. */
export type RecordOrigin =
  /** A client's put. */
  | "client"
  /** A router's answer to our own lookup. */
  | "network"
  /** Pushed to us by another DHT peer, or in an announcement. */
  | "peer-push";

export interface StoredRecord {
  readonly record: ValidatedRecord;
  readonly origin: RecordOrigin;
  /** When these bytes were stored, ms since the Unix epoch. */
  readonly receivedAtMs: number;
  /** When routing, or its owner by putting it, last confirmed them as the newest. Moves without a new record (R11, P3). */
  readonly checkedAtMs: number;
}

export interface PutResult {
  /**
   * `stored`: the incoming record is now the stored one. `unchanged`: it has the same bytes as the stored one.
   * `superseded`: the stored one is better and stays.
   */
  readonly outcome: "stored" | "unchanged" | "superseded";
  /** What is stored afterwards. */
  readonly current: StoredRecord;
  /** What a `stored` record took the place of. Absent for the first record of a name. */
  readonly replaced?: ReplacedRecord;
}

export interface ReplacedRecord {
  readonly sequence: bigint;
  readonly value: Uint8Array;
}

export interface PutFacts {
  readonly origin: RecordOrigin;
  readonly receivedAtMs: number;
  /** Absent: the better record wins, whatever is stored. */
  readonly expected?: ExpectedSequence | undefined;
}

/**
 * The durable home of records: one current record per name, and the last `HISTORY_RECORDS_MAX` that were current.
 * Every adapter passes `test/contracts/record-store.contract.ts`.
 */
export interface RecordStore extends AsyncDisposable {
  /** The committed record of a name, expired or not. A point read of some microseconds; sees every settled `put`. */
  get(name: IpnsName): StoredRecord | undefined;

  /**
   * Compares and sets in one transaction: the record is stored if {@link compareRecords} puts it above the stored one.
   * Settles after the commit has reached the disk. Calls settle in the order in which they were made.
   * A stored record that has expired at `receivedAtMs` is no longer valid and loses to any record that has not.
   * A `stored` outcome sets `checkedAtMs` to `receivedAtMs`; an `unchanged` one leaves it as it was.
   *
   * With `expected` nothing is stored unless {@link isAsExpected} says so, in the same transaction. The stored bytes again are
   * `unchanged` whatever was expected: so ends the retry of a put whose answer was lost.
   *
   * @throws HoldfastError `SEQUENCE_CONFLICT` ({@link sequenceConflict}), `OVERLOADED` when the queue is full, `STORE_FAILED`
   *   when the disk refuses.
   */
  put(record: ValidatedRecord, facts: PutFacts): Promise<PutResult>;

  /** Notes that the record was confirmed as the newest. Written behind: a crash may lose it, which costs one lookup. */
  confirm(name: IpnsName, checkedAtMs: number): void;

  /** The records that were current, newest first, the current one included; at most `HISTORY_RECORDS_MAX`. */
  history(name: IpnsName): readonly Omit<StoredRecord, "checkedAtMs">[];

  /** How many names have a record. */
  count(): number;
}

export const HISTORY_RECORDS_MAX = 10;
