export const PIN_TOTALS = `
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
`;
