/**
 * Where each record was put, and when it has to be put again: one row for each name and target. Without rowids: the rows are small, and
 * those of a name lie together. Rows are made in the transaction that stores the record.
 */
export const PROPAGATIONS = `
  CREATE TABLE propagation_targets (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE,
    is_wanted INTEGER NOT NULL, -- 0: configured once and no longer; its rows are being deleted
    filled_to BLOB -- names up to this one have their rows; NULL: all have
  ) STRICT;

  CREATE TABLE propagations (
    name BLOB NOT NULL,
    target INTEGER NOT NULL,
    version INTEGER NOT NULL, -- counts the records that the name has had since the row was made
    eol_ms INTEGER NOT NULL, -- of the current one
    lane INTEGER NOT NULL, -- LANES in propagation-rows.ts
    due_at_ms INTEGER NOT NULL,
    dark_at_ms INTEGER, -- when the target forgets the name; NULL: not before the record's EOL
    confirmed_at_ms INTEGER, -- the last put of any of the name's records that was confirmed there
    confirmed_version INTEGER,
    attempts INTEGER NOT NULL, -- that failed since the last one that was confirmed
    problem TEXT, -- of the last one that failed
    PRIMARY KEY (name, target)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX propagations_due ON propagations (target, lane, due_at_ms);
  CREATE INDEX propagations_dark ON propagations (target, lane, dark_at_ms) WHERE dark_at_ms IS NOT NULL;

  -- Work that an operator started and can look up, go on with after a restart, and cancel.
  CREATE TABLE operations (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    progress TEXT NOT NULL -- JSON, its shape is the kind's own
  ) STRICT;
`;
