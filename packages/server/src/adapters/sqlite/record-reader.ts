import { DatabaseSync } from "node:sqlite";
import { type IpnsName, restoreRecord, type ValidatedRecord } from "@holdfast/core";
import { HISTORY_RECORDS_MAX, type RecordOrigin, type StoredRecord } from "../../records/record-store.ts";

export interface RecordReader extends Disposable {
  /**
   * The committed record of a name, expired or not. Sees what was committed before the call, by any thread. Stored bytes that
   * are no record any more (a damaged file) are a miss.
   */
  get(name: IpnsName): StoredRecord | undefined;
  /** See `RecordStore.history`. */
  history(name: IpnsName): readonly Omit<StoredRecord, "checkedAtMs">[];
}

export interface RecordReaderOptions {
  /** Told about each read of stored bytes that are no record. */
  readonly onUnreadable?: (err: unknown) => void;
}

/** What SQLite maps at most by default; it maps only what exists and reads the rest. */
const MMAP_BYTES = 0x7fff_0000;

/**
 * Opens a read-only connection to the database of an open `SqliteRecordStore`; any thread may have one. A point read takes
 * about 7 µs and does not wait for the writer.
 */
export function openRecordReader(
  databasePath: string,
  { onUnreadable = () => undefined }: RecordReaderOptions = {},
): RecordReader {
  const db = new DatabaseSync(databasePath, { readOnly: true });
  db.exec(`PRAGMA mmap_size = ${MMAP_BYTES}`);
  const select = db.prepare(SELECT_CURRENT);
  const selectHistory = db.prepare(SELECT_HISTORY);

  function restore(row: RecordRow, name: IpnsName): ValidatedRecord | undefined {
    try {
      return restoreRecord(row.bytes, name);
    } catch (err) {
      onUnreadable(err);
      return undefined;
    }
  }

  return {
    get(name) {
      const row = select.get(name.multihash) as CurrentRow | undefined;
      const record = row === undefined ? undefined : restore(row, name);
      if (row === undefined || record === undefined) return undefined;
      return {
        record,
        origin: row.origin,
        receivedAtMs: row.received_at_ms,
        checkedAtMs: row.checked_at_ms,
      };
    },
    history(name) {
      const rows = selectHistory.all(name.multihash) as unknown as RecordRow[];
      return rows.flatMap((row) => {
        const record = restore(row, name);
        return record === undefined ? [] : [{ record, origin: row.origin, receivedAtMs: row.received_at_ms }];
      });
    },
    [Symbol.dispose]: () => db[Symbol.dispose](),
  };
}

const SELECT_CURRENT = "SELECT bytes, origin, received_at_ms, checked_at_ms FROM records WHERE name = ?";

const SELECT_HISTORY = `
  SELECT bytes, origin, received_at_ms, superseded_count AS position FROM records WHERE name = ?1
  UNION ALL
  SELECT bytes, origin, received_at_ms, position FROM superseded_records WHERE name = ?1
  ORDER BY position DESC LIMIT ${HISTORY_RECORDS_MAX}`;

interface RecordRow {
  readonly bytes: Uint8Array;
  readonly origin: RecordOrigin;
  readonly received_at_ms: number;
}

interface CurrentRow extends RecordRow {
  readonly checked_at_ms: number;
}
