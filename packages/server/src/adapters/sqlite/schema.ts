import type { DatabaseSync } from "node:sqlite";
import { OpenError } from "./open-error.ts";

/**
 * Forward only: entry n takes a database from `user_version` n to n + 1. Entries are never edited once released.
 *
 * The tables of records have rowids, measured with records of 400 B: 1,000,000 of them are 6 % smaller than WITHOUT ROWID, read as fast and
 * are inserted three times as fast, and superseding is twice as fast: a new row lands at the end of its table, and only its key
 * in the middle of an index.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE records (
    name BLOB PRIMARY KEY NOT NULL, -- multihash: every spelling of a name is one row
    bytes BLOB NOT NULL,
    origin TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    checked_at_ms INTEGER NOT NULL,
    superseded_count INTEGER NOT NULL -- records of this name that were current before
  ) STRICT;

  -- Records that were current and no longer are; position is the superseded_count they had.
  CREATE TABLE superseded_records (
    name BLOB NOT NULL,
    position INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    origin TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    PRIMARY KEY (name, position)
  ) STRICT;
  `,
  `
  CREATE TABLE pinned_roots (
    multihash BLOB NOT NULL,
    codec INTEGER NOT NULL, -- the same bytes read with another codec are another DAG
    cid_version INTEGER NOT NULL, -- of the CID as it was given
    is_recursive INTEGER NOT NULL,
    name TEXT,
    source TEXT NOT NULL,
    pinned_at_ms INTEGER NOT NULL,
    PRIMARY KEY (multihash, codec)
  ) STRICT;
  `,
  `
  ALTER TABLE pinned_roots ADD COLUMN block_bytes INTEGER; -- of the root's block, for pins that are counted by size

  -- Kept by the trigger: counting a million pins would stop the thread that reads them.
  CREATE TABLE pin_totals (
    source TEXT PRIMARY KEY NOT NULL,
    pin_count INTEGER NOT NULL,
    block_bytes INTEGER NOT NULL
  ) STRICT;
  INSERT INTO pin_totals SELECT source, count(*), 0 FROM pinned_roots GROUP BY source;

  -- A block that is pinned under several codecs is held once.
  CREATE TRIGGER count_new_pin AFTER INSERT ON pinned_roots BEGIN
    INSERT INTO pin_totals VALUES (new.source, 1, CASE
      WHEN EXISTS (
        SELECT 1 FROM pinned_roots
        WHERE multihash = new.multihash AND codec <> new.codec AND block_bytes IS NOT NULL
      ) THEN 0 ELSE coalesce(new.block_bytes, 0) END)
    ON CONFLICT DO UPDATE SET
      pin_count = pin_count + 1, block_bytes = block_bytes + excluded.block_bytes;
  END;
  `,
];

/** @throws OpenError `newer-schema` when a later version of Holdfast wrote the database. */
export function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version > MIGRATIONS.length) {
    throw new OpenError(
      "newer-schema",
      `The database has version ${version}, this Holdfast knows versions up to ${MIGRATIONS.length}`,
    );
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
