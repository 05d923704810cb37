import { type Freshness, freshForMs, freshnessOf, type IpnsName } from "@holdfast/core";
import type { Clock } from "../telemetry/clock.ts";
import { HotSet } from "./hot-set.ts";
import type { RecordStore, StoredRecord } from "./record-store.ts";

/** What is held here: the store, with the records that are read most in memory in front of it. */
export class HeldRecords {
  readonly #store: RecordStore;
  readonly #clock: Clock;
  readonly #hot: HotSet;

  constructor(
    { store, clock }: { readonly store: RecordStore; readonly clock: Clock },
    options: { readonly hotBytesMax: number },
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#hot = new HotSet({ bytesMax: options.hotBytesMax });
  }

  /** Synchronously. Undefined when none is held or it has expired. */
  get(name: IpnsName): StoredRecord | undefined {
    const stored = this.last(name);
    return stored === undefined || this.#clock.nowMs() > stored.record.eolMs ? undefined : stored;
  }

  /** As {@link get}, expired or not. An expired one is never an answer. */
  last(name: IpnsName): StoredRecord | undefined {
    const inMemory = this.#hot.get(name);
    if (inMemory !== undefined) return inMemory;
    const fromStore = this.#store.get(name);
    return fromStore === undefined ? undefined : this.#hot.merge(fromStore, this.#clock.nowMs());
  }

  /** Each copy for itself, expired or not: they must say the same, and whoever doubts it can look. */
  copies(name: IpnsName): {
    readonly memory: StoredRecord | undefined;
    readonly disk: StoredRecord | undefined;
  } {
    return { memory: this.#hot.get(name), disk: this.#store.get(name) };
  }

  /** Takes in what the store holds now. */
  merge(stored: StoredRecord, nowMs: number): void {
    this.#hot.merge(stored, nowMs);
  }

  /** Notes that what is held was just confirmed as the newest (R11, P3). */
  confirm(name: IpnsName): void {
    const held = this.get(name);
    if (held === undefined) return;
    const checkedAtMs = this.#clock.nowMs();
    this.#store.confirm(name, checkedAtMs);
    this.#hot.merge({ ...held, checkedAtMs }, checkedAtMs);
  }

  freshnessOf({ record, checkedAtMs }: StoredRecord, nowMs: number = this.#clock.nowMs()): Freshness {
    return freshnessOf({ checkedAtMs, freshForMs: freshForMs(record.ttlNs), eolMs: record.eolMs }, nowMs);
  }
}
