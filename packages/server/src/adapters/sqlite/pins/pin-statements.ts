import { CHANGING_COLUMNS, QUEUED_COLUMNS } from "./pin-rows.ts";

const PIN_OF_KEY = "SELECT * FROM pins WHERE multihash = ? AND codec = ?";
const UNFINISHED = "state NOT IN ('pinned', 'provided') AND state = ?";

const ready = (where: string): string =>
  `SELECT ${QUEUED_COLUMNS.join(", ")} FROM pins INDEXED BY ready_pins
   WHERE step = ? AND is_resting = 0 AND lane_source = ? ${where}
   ORDER BY lane_holder, priority DESC, next_attempt_at_ms, id LIMIT ?`;

/** What the thread that answers requests reads: each statement goes through an index, in the order that it gives. */
export const PIN_READS = {
  pin: PIN_OF_KEY,
  claim: `SELECT claim.* FROM pins JOIN pin_claims AS claim ON claim.pin_id = pins.id
    WHERE multihash = ? AND codec = ? AND claim.source = ? AND claim.holder = ?`,
  /** Sorts the claims of one pin. */
  claims: `SELECT claim.* FROM pins JOIN pin_claims AS claim ON claim.pin_id = pins.id
    WHERE multihash = ? AND codec = ? ORDER BY claim.created_at_ms, claim.source, claim.holder LIMIT ?`,
  /** Some dozens of rows at most. */
  totals: "SELECT * FROM pin_totals WHERE pin_count > 0",
  nextWake: "SELECT min(next_attempt_at_ms) AS at_ms FROM pins WHERE step IS NOT NULL AND is_resting = 1",
  fact: "SELECT value FROM pin_facts WHERE key = ?",
  lastId: "SELECT max(id) AS id FROM pins",
  page: `SELECT * FROM pins WHERE id > ?1 AND id <= ?2 AND state <> 'released'
    AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR source = ?4) ORDER BY id LIMIT ?5`,
  unfinishedPage: `SELECT * FROM pins INDEXED BY unfinished_pins WHERE ${UNFINISHED} AND id > ? ORDER BY id LIMIT ?`,
  unfinishedPageOfSource: `SELECT * FROM pins INDEXED BY unfinished_pins_of_source
    WHERE ${UNFINISHED} AND source = ? AND id > ? ORDER BY id LIMIT ?`,
  ready: ready(""),
  readyAfter: ready("AND lane_holder > ?"),
} as const;

/** Those of the store thread. */
export const PIN_WRITES = {
  pin: PIN_OF_KEY,
  insert: `INSERT INTO pins (multihash, codec, counted_bytes, ${CHANGING_COLUMNS.join(", ")})
    VALUES (?, ?, 0, ${CHANGING_COLUMNS.map(() => "?").join(", ")})`,
  update: `UPDATE pins SET ${CHANGING_COLUMNS.map((name) => `${name} = ?`).join(", ")} WHERE id = ?`,
  delete: "DELETE FROM pins WHERE id = ?",
  /** A block that is pinned under several codecs is held once. */
  count: `UPDATE pins AS pin SET counted_bytes = block_bytes WHERE id = ? AND NOT EXISTS (
    SELECT 1 FROM pins AS other WHERE other.multihash = pin.multihash AND other.counted_bytes > 0)`,
  upsertClaim: `INSERT INTO pin_claims VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET name = excluded.name WHERE excluded.name IS NOT NULL`,
  hasClaim: "SELECT 1 FROM pin_claims WHERE pin_id = ? AND source = ? AND holder = ?",
  /** Looks at the claims of one pin. */
  firstClaim: `SELECT source, holder, name, created_at_ms AS createdAtMs FROM pin_claims WHERE pin_id = ?
    ORDER BY created_at_ms, source, holder LIMIT 1`,
  /** By a holder, or by one whose name has more behind a space: `?4` and `?5` are the bounds of that. */
  claimOfLane: `SELECT 1 FROM pin_claims WHERE pin_id = ?1 AND source = ?2
    AND (holder = ?3 OR (holder > ?4 AND holder < ?5)) LIMIT 1`,
  deleteClaim: "DELETE FROM pin_claims WHERE pin_id = ? AND source = ? AND holder = ?",
  wake: `UPDATE pins SET is_resting = 0 WHERE id IN (
    SELECT id FROM pins WHERE step IS NOT NULL AND is_resting = 1 AND next_attempt_at_ms <= ?
    ORDER BY next_attempt_at_ms LIMIT ?)`,
  setFact: "INSERT INTO pin_facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
} as const;
