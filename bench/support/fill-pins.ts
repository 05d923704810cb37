import { hash } from "node:crypto";
import { join } from "node:path";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { openForWriting } from "../../packages/server/src/adapters/sqlite/open-database.ts";
import { PinWriter } from "../../packages/server/src/adapters/sqlite/pins/pin-writer.ts";

const [RAW, SHA2_256] = [0x55, 0x12];
const PINS_PER_TRANSACTION = 50_000;
const AUTHORS = 50;

/** The same root for the same number. */
export function rootOf(index: number): CID {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(index);
  return CID.createV1(RAW, Digest.create(SHA2_256, Uint8Array.from(hash("sha256", number, "buffer"))));
}

/**
 * Writes pins as a node's own store thread does, into the data folder of a node that does not run: confirmed ones, or wishes that
 * nothing was tried for yet. Of fifty authors.
 */
export function fillPins(dataDir: string, count: number, state: "pinned" | "queued"): void {
  const databasePath = join(dataDir, "holdfast.db");
  const { db, lock } = openForWriting({ databasePath, lockPath: join(dataDir, "holdfast.lock") });
  db.exec("PRAGMA synchronous = OFF");
  const writer = new PinWriter(db);
  const createdAtMs = Date.now() - 86_400_000;
  const isStored = state === "pinned";
  const rules = { storedIsPinned: true, provides: false };
  for (let from = 0; from < count; from += PINS_PER_TRANSACTION) {
    const length = Math.min(PINS_PER_TRANSACTION, count - from);
    const pins = Array.from({ length }, (_, i) => {
      const root = rootOf(from + i);
      const holder = hash("sha256", String((from + i) % AUTHORS));
      const claim = { source: "nostr", holder, name: undefined, createdAtMs } as const;
      const key = { multihash: Uint8Array.from(root.multihash.bytes), codec: root.code };
      return { key, wish: { cidVersion: 1, recursive: true, claim, isStored } };
    });
    db.exec("BEGIN");
    writer.run({ kind: "add-pins", pins, rules });
    db.exec("COMMIT");
  }
  db.close();
  lock.close();
}
