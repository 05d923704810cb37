/** Nostr cursors, seen events, what we announced. */
export const ANNOUNCEMENTS = `
  -- Events whose pins and records are durable.
  CREATE TABLE settled_events (
    id BLOB PRIMARY KEY NOT NULL,
    created_at_s INTEGER NOT NULL,
    settled_at_s INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX settled_events_by_time ON settled_events (settled_at_s);

  -- One row, so that counting a million events stops nobody.
  CREATE TABLE announcement_totals (cids INTEGER NOT NULL, names INTEGER NOT NULL) STRICT;
  INSERT INTO announcement_totals VALUES (0, 0);

  CREATE TABLE relay_cursors (
    relay TEXT NOT NULL,
    scope TEXT NOT NULL, -- what was asked for: with other filters it has to be read from the start
    high_water_s INTEGER NOT NULL,
    PRIMARY KEY (relay, scope)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE author_usage (
    day INTEGER NOT NULL, -- since the Unix epoch
    author TEXT NOT NULL, -- empty: all of them together
    subjects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (day, author)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE outgoing_announcements (
    d TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    items TEXT NOT NULL, -- CIDs or names, separated by spaces
    turn INTEGER NOT NULL, -- grows with each queueing
    event TEXT, -- signed, as JSON; NULL before it was built
    created_at_s INTEGER NOT NULL, -- of the newest event that was ever built for this d
    settled_relays TEXT NOT NULL, -- separated by spaces
    confirmations INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at_ms INTEGER, -- NULL: nothing is left to do
    queued_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX outgoing_due ON outgoing_announcements (next_attempt_at_ms, turn) WHERE next_attempt_at_ms IS NOT NULL;
  CREATE INDEX outgoing_by_turn ON outgoing_announcements (kind, turn);

  -- One row while everything is announced again.
  CREATE TABLE announcement_walk (
    started_at_ms INTEGER NOT NULL,
    after_pin INTEGER,
    pages INTEGER NOT NULL,
    cids INTEGER NOT NULL
  ) STRICT;
`;
