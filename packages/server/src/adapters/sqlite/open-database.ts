import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { OpenError } from "./open-error.ts";
import { migrate } from "./schema.ts";
import type { StoreThreadOptions } from "./store-messages.ts";

/** Outlasts a backup or a look with another tool; our own threads never hold the write lock against each other. */
const BUSY_TIMEOUT_MS = 5_000;
const SQLITE_BUSY = 5;

/**
 * Takes the data directory for this process and opens the database for writing.
 *
 * @throws OpenError `locked`, `newer-schema` or, for whatever else SQLite says, `unusable`.
 */
export function openForWriting(options: StoreThreadOptions): { db: DatabaseSync; lock: DatabaseSync } {
  const lock = takeLock(options.lockPath);
  try {
    const db = new DatabaseSync(options.databasePath, { timeout: BUSY_TIMEOUT_MS });
    // FULL: a commit returns after its fsync, which is what a 2xx promises. The size limit gives a WAL that grew in a
    // burst back to the file system at the next checkpoint.
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = 67108864;
      PRAGMA cache_size = -32768;
    `);
    migrate(db);
    if (options.databasePagesMax !== undefined)
      db.exec(`PRAGMA max_page_count = ${options.databasePagesMax}`);
    return { db, lock };
  } catch (err) {
    lock.close();
    throw err instanceof OpenError
      ? err
      : new OpenError("unusable", `The database cannot be used: ${messageOf(err)}`);
  }
}

/**
 * An exclusive transaction that stays open on a file of its own. The lock belongs to the process: it ends with it, however it
 * ends, and leaves nothing to clean up.
 */
function takeLock(path: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    lock = new DatabaseSync(path, { timeout: 0 });
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (err) {
    lock?.close();
    if (err instanceof Error && "errcode" in err && err.errcode === SQLITE_BUSY) {
      throw new OpenError("locked", "Another Holdfast is running on this data directory");
    }
    throw new OpenError("unusable", `The data directory cannot be used: ${messageOf(err)}`);
  }
}

export function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
