import type { DatabaseSync } from "node:sqlite";

/** Moves what is in the write-ahead log into the database and closes it. On a disk that is full that stays in the log, as durably. */
export function checkpointAndClose(db: DatabaseSync): void {
  try {
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // Whoever opens the database next reads the log: a stop is no failure.
  }
  db.close();
}
