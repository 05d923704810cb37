/** Names whose content stays as it changes, what they pointed to, and the pins of the pin list. */
export const FOLLOWED_NAMES = `
  CREATE TABLE followed_names (
    name BLOB NOT NULL,
    origin TEXT NOT NULL, -- who wants it: admin, setting, pin-list, nostr
    keep INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (name, origin)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE followed_versions (
    name BLOB NOT NULL,
    multihash BLOB NOT NULL,
    codec INTEGER NOT NULL,
    cid_version INTEGER NOT NULL,
    turn INTEGER NOT NULL, -- the greatest of a name is its newest version
    seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (name, multihash, codec)
  ) STRICT, WITHOUT ROWID;

  -- What is not on the list any more is found without looking at every pin.
  CREATE INDEX pin_list_claims ON pin_claims (pin_id) WHERE source = 'pin-list';
`;
