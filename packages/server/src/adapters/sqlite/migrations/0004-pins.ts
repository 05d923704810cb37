/**
 * Pins, their claims and the queue, instead of `pinned_roots`. A finished pin is in no index but that of its key, so that the
 * queue costs what is queued, whatever is pinned.
 */
export const PINS = `
  CREATE TABLE pins (
    id INTEGER PRIMARY KEY NOT NULL,
    multihash BLOB NOT NULL,
    codec INTEGER NOT NULL, -- the same bytes read with another codec are another DAG
    cid_version INTEGER NOT NULL, -- of the CID as it was first given
    is_recursive INTEGER NOT NULL,
    state TEXT NOT NULL, -- queued, stored, pinned, provided, dead, released
    step TEXT, -- what is to be done next: pin, provide, unpin; null: nothing
    is_resting INTEGER NOT NULL,
    next_attempt_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    problem TEXT,
    priority INTEGER NOT NULL,
    lane_source TEXT NOT NULL,
    lane_holder TEXT NOT NULL,
    source TEXT NOT NULL, -- of the first claim, as are the next three
    holder TEXT NOT NULL,
    name TEXT,
    created_at_ms INTEGER NOT NULL,
    stored_at_ms INTEGER,
    pinned_at_ms INTEGER,
    provided_at_ms INTEGER,
    block_bytes INTEGER, -- of the root's block, for pins that are counted by size
    counted_bytes INTEGER NOT NULL, -- block_bytes, or 0 when another pin of the same block counts them
    made_in TEXT, -- the repository in which the pin was made for us; null: not known to be ours
    UNIQUE (multihash, codec)
  ) STRICT;

  CREATE TABLE pin_claims (
    pin_id INTEGER NOT NULL,
    source TEXT NOT NULL,
    holder TEXT NOT NULL,
    name TEXT,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (pin_id, source, holder)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE pin_facts (
    key TEXT PRIMARY KEY NOT NULL, -- repository: whose pins the confirmed ones are
    value TEXT NOT NULL
  ) STRICT;

  INSERT INTO pins
    SELECT NULL, multihash, codec, cid_version, is_recursive, 'pinned', NULL, 0, pinned_at_ms, 0, NULL, 0, source, '',
      source, '', name, pinned_at_ms, pinned_at_ms, pinned_at_ms, NULL, block_bytes,
      CASE WHEN EXISTS (
        SELECT 1 FROM pinned_roots AS other
        WHERE other.multihash = root.multihash AND other.codec < root.codec AND other.block_bytes IS NOT NULL
      ) THEN 0 ELSE coalesce(block_bytes, 0) END, 'vault'
    FROM pinned_roots AS root;
  INSERT INTO pin_claims SELECT id, source, holder, name, created_at_ms FROM pins;
  INSERT INTO pin_facts SELECT 'repository', 'vault' WHERE EXISTS (SELECT 1 FROM pins);
  DROP TABLE pinned_roots;
  DROP TABLE pin_totals;

  CREATE INDEX ready_pins ON pins (step, lane_source, lane_holder, priority DESC, next_attempt_at_ms)
    WHERE step IS NOT NULL AND is_resting = 0;
  CREATE INDEX resting_pins ON pins (next_attempt_at_ms) WHERE step IS NOT NULL AND is_resting = 1;
  CREATE INDEX unfinished_pins ON pins (state) WHERE state NOT IN ('pinned', 'provided');
  CREATE INDEX unfinished_pins_of_source ON pins (state, source) WHERE state NOT IN ('pinned', 'provided');

  -- Kept by the triggers: counting a million pins would stop the thread that reads them.
  CREATE TABLE pin_totals (
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    pin_count INTEGER NOT NULL,
    block_bytes INTEGER NOT NULL,
    PRIMARY KEY (source, state)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO pin_totals SELECT source, state, count(*), sum(counted_bytes) FROM pins GROUP BY source, state;

  CREATE TRIGGER count_added_pin AFTER INSERT ON pins BEGIN
    INSERT INTO pin_totals VALUES (new.source, new.state, 1, new.counted_bytes)
    ON CONFLICT DO UPDATE SET pin_count = pin_count + 1, block_bytes = block_bytes + excluded.block_bytes;
  END;
  CREATE TRIGGER count_changed_pin AFTER UPDATE OF source, state, counted_bytes ON pins
  WHEN old.source <> new.source OR old.state <> new.state OR old.counted_bytes <> new.counted_bytes BEGIN
    UPDATE pin_totals SET pin_count = pin_count - 1, block_bytes = block_bytes - old.counted_bytes
    WHERE source = old.source AND state = old.state;
    INSERT INTO pin_totals VALUES (new.source, new.state, 1, new.counted_bytes)
    ON CONFLICT DO UPDATE SET pin_count = pin_count + 1, block_bytes = block_bytes + excluded.block_bytes;
  END;
  CREATE TRIGGER count_removed_pin AFTER DELETE ON pins BEGIN
    UPDATE pin_totals SET pin_count = pin_count - 1, block_bytes = block_bytes - old.counted_bytes
    WHERE source = old.source AND state = old.state;
    -- Another pin of the block counts it from now on.
    UPDATE pins SET counted_bytes = block_bytes WHERE old.counted_bytes > 0 AND id = (
      SELECT id FROM pins WHERE multihash = old.multihash AND block_bytes IS NOT NULL LIMIT 1);
  END;
`;
