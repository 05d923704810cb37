import { compareRecords, type IpnsName } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import type { StoredRecord } from "./record-store.ts";

/** What an entry costs beside the record's own bytes: objects, views, numbers, its place in the map. */
const ENTRY_OVERHEAD_BYTES = 900;

/** The records that are read most, in memory, within a bound of bytes. */
export class HotSet {
  readonly #entries: LRUCache<string, StoredRecord>;

  constructor(options: { readonly bytesMax: number }) {
    this.#entries = new LRUCache({
      maxSize: options.bytesMax,
      sizeCalculation: (stored) => stored.record.bytes.length + ENTRY_OVERHEAD_BYTES,
    });
  }

  get(name: IpnsName): StoredRecord | undefined {
    return this.#entries.get(name.text);
  }

  /**
   * Takes in what the store says, unless what is here is better or was confirmed later.
   *
   * A read of the database and the answer to a put may arrive in either order; the best one must stay either way.
   */
  merge(stored: StoredRecord, nowMs: number): StoredRecord {
    const name = stored.record.name.text;
    const held = this.#entries.peek(name);
    if (held !== undefined && held.record.eolMs >= nowMs) {
      const order = compareRecords(held.record, stored.record);
      if (order > 0 || (order === 0 && held.checkedAtMs >= stored.checkedAtMs)) return held;
    }
    this.#entries.set(name, stored);
    return stored;
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }
}
