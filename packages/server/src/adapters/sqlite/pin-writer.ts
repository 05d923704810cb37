import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { PinRootsJob } from "./store-messages.ts";

/** The statement that changes pins. Runs inside the caller's transaction. */
export class PinWriter {
  readonly #upsert: StatementSync;

  constructor(db: DatabaseSync) {
    this.#upsert = db.prepare(
      `INSERT INTO pinned_roots VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         is_recursive = max(is_recursive, excluded.is_recursive), name = coalesce(excluded.name, name)
       WHERE excluded.is_recursive > is_recursive OR excluded.name IS NOT NULL`,
    );
  }

  pin({ pins }: PinRootsJob): null {
    for (const { multihash, codec, cidVersion, recursive, name, source, pinnedAtMs, blockBytes } of pins) {
      const isRecursive = recursive ? 1 : 0;
      this.#upsert.run(multihash, codec, cidVersion, isRecursive, name, source, pinnedAtMs, blockBytes);
    }
    return null;
  }
}
