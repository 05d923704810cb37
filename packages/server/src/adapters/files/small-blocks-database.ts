import { DatabaseSync } from "node:sqlite";

/** Outlasts a backup or a look with another tool; our own threads never hold the write lock against each other. */
const BUSY_TIMEOUT_MS = 5_000;
const SCHEMA_VERSION = 2;

/** The time stands before the bytes: behind them it would cost a walk over all pages of the block to read it. */
const BLOCKS = `
  CREATE TABLE blocks (
    id INTEGER PRIMARY KEY, multihash BLOB NOT NULL, put_at_ms INTEGER NOT NULL, bytes BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX blocks_by_multihash ON blocks (multihash);`;

/** Kept by triggers, so that it is as true as the commit it stands in. */
const HELD = `
  CREATE TABLE held (bytes INTEGER NOT NULL) STRICT;
  INSERT INTO held SELECT coalesce(sum(length(bytes)), 0) FROM blocks;
  CREATE TRIGGER count_new_block AFTER INSERT ON blocks BEGIN
    UPDATE held SET bytes = bytes + length(new.bytes);
  END;
  CREATE TRIGGER count_changed_block AFTER UPDATE OF bytes ON blocks BEGIN
    UPDATE held SET bytes = bytes + length(new.bytes) - length(old.bytes);
  END;
  CREATE TRIGGER count_deleted_block AFTER DELETE ON blocks BEGIN
    UPDATE held SET bytes = bytes - length(old.bytes);
  END;`;

/** What a block was found to be that did not hash to its CID any more is kept: it is evidence of a failing disk. */
const CORRUPT_BLOCKS = "CREATE TABLE corrupt_blocks (multihash BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;";

/** Blocks of version 1 have no time; they count as put long ago. */
const FROM_VERSION_1 = `
  DROP INDEX blocks_by_multihash;
  ALTER TABLE blocks RENAME TO timeless_blocks;
  ${BLOCKS}
  INSERT INTO blocks SELECT id, multihash, 0, bytes FROM timeless_blocks;
  DROP TABLE timeless_blocks;
  ${HELD}`;

/**
 * Opens the database of small blocks for writing, and makes its tables when it is new.
 *
 * @throws Error whatever SQLite says, or that a later version wrote it.
 */
export function openForWriting(databasePath: string): DatabaseSync {
  const db = new DatabaseSync(databasePath, { timeout: BUSY_TIMEOUT_MS });
  try {
    // Before the first table, or it has no effect: what is deleted can then be given back to the file system bit by bit.
    // FULL: a commit returns after its fsync. The size limit takes back what the log grew in a burst.
    db.exec(`
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = 67108864;
      PRAGMA cache_size = -16384;
    `);
    const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > SCHEMA_VERSION) throw new Error("a later version of Holdfast wrote this block store");
    const steps = [`${BLOCKS} ${HELD} ${CORRUPT_BLOCKS}`, FROM_VERSION_1][version];
    if (steps !== undefined)
      db.exec(`BEGIN IMMEDIATE; ${steps} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`);
    return db;
  } catch (err) {
    db.close();
    throw err;
  }
}

/**
 * Opens a connection that sees what was committed before each read, by any thread, and never waits for the writer. The file is
 * not mapped: a page that a failing disk cannot give would then end the process instead of the read.
 */
export function openForReading(databasePath: string): DatabaseSync {
  return new DatabaseSync(databasePath, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
}

/** Of all blocks of the database. */
export function heldBytesOf(db: DatabaseSync): number {
  return Number(db.prepare("SELECT bytes FROM held").get()?.["bytes"]);
}
