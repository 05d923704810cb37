/**
 * The tables of records have rowids, measured with records of 400 B: 1,000,000 of them are 6 % smaller than WITHOUT ROWID, read as
 * fast and are inserted three times as fast, and superseding is twice as fast: a new row lands at the end of its table, and only its
 * key in the middle of an index.
 */
export const RECORDS = `
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
`;
