/** Sightings by name and kind. Sequences are text: SQLite's integers reach JavaScript exactly up to 2^53 only. */
export const ANOMALIES = `
  CREATE TABLE anomalies (
    name BLOB NOT NULL,
    kind TEXT NOT NULL,
    interest INTEGER NOT NULL, -- what has least of it goes first
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    client_count INTEGER NOT NULL,
    network_count INTEGER NOT NULL,
    peer_push_count INTEGER NOT NULL,
    sequence TEXT NOT NULL,
    stored_sequence TEXT NOT NULL,
    value_sha256 TEXT NOT NULL,
    via TEXT NOT NULL,
    PRIMARY KEY (name, kind)
  ) STRICT;
`;
