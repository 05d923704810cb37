/** The state that a client of the Pinning Service API sees, of a row of `pins`. */
const stateOf = (row: "old" | "new"): string =>
  `CASE ${row}.state WHEN 'pinned' THEN 'pinned' WHEN 'provided' THEN 'pinned' WHEN 'dead' THEN 'failed' ELSE 'open' END`;

const count = (row: "old" | "new"): string =>
  `owner_id = ${row}.owner_id AND state = ${row}.state AND bucket = ${row}.seq >> 8`;

const countDown = `
  UPDATE pin_request_counts SET request_count = request_count - 1 WHERE ${count("old")};
  DELETE FROM pin_request_counts WHERE ${count("old")} AND request_count = 0;`;

const countUp = `
  INSERT INTO pin_request_counts VALUES (new.owner_id, new.state, new.seq >> 8, 1)
  ON CONFLICT DO UPDATE SET request_count = request_count + 1;`;

/**
 * Requests of the Pinning Service API. The state of each, and how many there are, are kept by triggers: a page of a hundred
 * thousand has to tell how many there are in all.
 */
export const PIN_REQUESTS = `
  CREATE TABLE pin_request_owners (
    id INTEGER PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    request_count INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    last_created_at_ms INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE pin_requests (
    id INTEGER PRIMARY KEY NOT NULL,
    request_id TEXT NOT NULL UNIQUE,
    owner_id INTEGER NOT NULL,
    seq INTEGER NOT NULL, -- of the owner, in the order of created_at_ms
    created_at_ms INTEGER NOT NULL,
    pin_id INTEGER NOT NULL, -- exists as long as the request, which claims it
    kept_pin_id INTEGER, -- of a request that was replaced: claimed, too, until this one is pinned
    state TEXT NOT NULL, -- open, pinned, failed: what that of the pin is for clients
    cid TEXT NOT NULL, -- as the client wrote it
    name TEXT,
    folded_name TEXT,
    meta TEXT NOT NULL, -- a line for each, with an empty one before and behind: ["key","value"]
    origins TEXT NOT NULL -- a JSON array
  ) STRICT;
  CREATE UNIQUE INDEX pin_requests_of_owner ON pin_requests (owner_id, seq);
  CREATE UNIQUE INDEX pin_requests_by_time ON pin_requests (owner_id, created_at_ms);
  CREATE INDEX pin_requests_by_state ON pin_requests (owner_id, state, seq);
  CREATE INDEX pin_requests_of_pin ON pin_requests (pin_id, owner_id, seq);
  CREATE INDEX pin_requests_by_name ON pin_requests (owner_id, folded_name, seq) WHERE folded_name IS NOT NULL;
  CREATE INDEX pin_requests_that_keep ON pin_requests (state) WHERE kept_pin_id IS NOT NULL;

  CREATE TRIGGER follow_state_of_pin AFTER UPDATE OF state ON pins WHEN ${stateOf("old")} <> ${stateOf("new")} BEGIN
    UPDATE pin_requests SET state = ${stateOf("new")} WHERE pin_id = new.id;
  END;

  -- 256 requests of an owner in their order are a bucket.
  CREATE TABLE pin_request_counts (
    owner_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    request_count INTEGER NOT NULL,
    PRIMARY KEY (owner_id, state, bucket)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER count_added_request AFTER INSERT ON pin_requests BEGIN ${countUp} END;
  CREATE TRIGGER count_changed_request AFTER UPDATE OF state ON pin_requests WHEN old.state <> new.state BEGIN
    ${countDown} ${countUp}
  END;
  CREATE TRIGGER count_removed_request AFTER DELETE ON pin_requests BEGIN ${countDown} END;
`;
