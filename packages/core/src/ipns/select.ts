import { compareBytes } from "../bytes.ts";
import type { IpnsRecord } from "./record.ts";

/**
 * Which of two valid records of one name wins: the higher sequence, then the later EOL (to the nanosecond), then the
 * greater bytes. A total order: equal only for identical bytes, so all nodes choose alike. Nothing else counts: not
 * the value, not the size of a step (R6).
 *
 * @returns above 0 when `a` wins, below 0 when `b` wins, 0 when they are the same bytes.
 * @see https://specs.ipfs.tech/ipns/ipns-record/#sequence-uint64; the rest is boxo's `ipns.compare`
 */
export function compareRecords(a: IpnsRecord, b: IpnsRecord): number {
  if (a.sequence !== b.sequence) return a.sequence > b.sequence ? 1 : -1;
  if (a.eolNs !== b.eolNs) return a.eolNs > b.eolNs ? 1 : -1;
  return compareBytes(a.bytes, b.bytes);
}

/** The best of some valid records of one name, whatever their order; `undefined` of none. */
export function selectRecord<T extends IpnsRecord>(records: Iterable<T>): T | undefined {
  let best: T | undefined;
  for (const record of records) {
    if (best === undefined || compareRecords(record, best) > 0) best = record;
  }
  return best;
}
