import { compareRecords, HoldfastError, type IpnsName, type ValidatedRecord } from "@holdfast/core";
import { isAsExpected, sequenceConflict } from "../../records/expected-sequence.ts";
import {
  HISTORY_RECORDS_MAX,
  type PutFacts,
  type PutResult,
  type RecordStore,
  type StoredRecord,
} from "../../records/record-store.ts";
import { takesPlaceOf } from "../../records/takes-place-of.ts";

export interface MemoryRecordStoreOptions {
  /** Past it a put of a further name fails with `STORE_FAILED`. */
  readonly namesMax?: number;
}

/** Records that live as long as the process. For tests and for nodes that keep nothing. */
export class MemoryRecordStore implements RecordStore {
  readonly #namesMax: number;
  readonly #histories = new Map<string, NameHistory>();

  constructor({ namesMax = 100_000 }: MemoryRecordStoreOptions = {}) {
    this.#namesMax = namesMax;
  }

  get(name: IpnsName): StoredRecord | undefined {
    return this.#histories.get(name.text)?.current;
  }

  // Settles later, as any store does, although nothing has to be waited for: callers must not rely on the same turn.
  async put(record: ValidatedRecord, { origin, receivedAtMs, expected }: PutFacts): Promise<PutResult> {
    const history = this.#histories.get(record.name.text);
    const previous = history?.current;
    const isSame = previous !== undefined && compareRecords(record, previous.record) === 0;
    if (expected !== undefined && !isSame && !isAsExpected(expected, previous?.record, receivedAtMs)) {
      throw sequenceConflict(previous?.record, receivedAtMs);
    }
    if (previous !== undefined && !takesPlaceOf(record, previous.record, receivedAtMs)) {
      return { outcome: isSame ? "unchanged" : "superseded", current: previous };
    }
    const checkedAtMs = Math.max(receivedAtMs, previous?.checkedAtMs ?? 0);
    if (history === undefined && this.#histories.size >= this.#namesMax) {
      throw new HoldfastError("STORE_FAILED", "The store is full");
    }
    const current: StoredRecord = { record, origin, receivedAtMs, checkedAtMs };
    const superseded = previous === undefined ? [] : [previous, ...(history?.superseded ?? [])];
    this.#histories.set(record.name.text, {
      current,
      superseded: superseded.slice(0, HISTORY_RECORDS_MAX - 1),
    });
    if (previous === undefined) return { outcome: "stored", current };
    const { sequence, value } = previous.record;
    return { outcome: "stored", current, replaced: { sequence, value } };
  }

  confirm(name: IpnsName, checkedAtMs: number): void {
    const history = this.#histories.get(name.text);
    if (history === undefined || history.current.checkedAtMs >= checkedAtMs) return;
    history.current = { ...history.current, checkedAtMs };
  }

  history(name: IpnsName): readonly Omit<StoredRecord, "checkedAtMs">[] {
    const history = this.#histories.get(name.text);
    if (history === undefined) return [];
    return [history.current, ...history.superseded].map(({ record, origin, receivedAtMs }) => ({
      record,
      origin,
      receivedAtMs,
    }));
  }

  count(): number {
    return this.#histories.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#histories.clear();
  }
}

interface NameHistory {
  current: StoredRecord;
  /** Newest first. */
  readonly superseded: readonly StoredRecord[];
}
