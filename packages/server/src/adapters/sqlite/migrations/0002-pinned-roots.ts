export const PINNED_ROOTS = `
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
`;
