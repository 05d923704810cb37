import {
  checkRecord,
  compareRecords,
  type Freshness,
  freshForMs,
  freshnessOf,
  HoldfastError,
  type IpnsName,
  isHoldfastError,
  validateRecord,
  type VerifySignature,
} from "@holdfast/core";
import type { Clock, Timers } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Dnslinks } from "./dnslinks.ts";
import type { Ask } from "./ask.ts";
import { HotSet } from "./hot-set.ts";
import { type LookupOptions, Lookups } from "./lookups.ts";
import { NegativeCache } from "./negative-cache.ts";
import { orAbort } from "./or-abort.ts";
import type { RecordRouter } from "./record-router.ts";
import type { PutResult, RecordOrigin, RecordStore, StoredRecord } from "./record-store.ts";
import { Refresher, type RefreshOptions } from "./refresher.ts";
import { type ResolvedPath, resolveContentPath } from "./resolve-path.ts";

export interface RecordsParts {
  readonly store: RecordStore;
  readonly routers: readonly RecordRouter[];
  readonly verifySignature: VerifySignature;
  /** For paths of domains. Absent: domains are not followed. */
  readonly dnslinks?: Dnslinks;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface RecordsOptions extends LookupOptions, RefreshOptions {
  readonly hotBytesMax: number;
  readonly negativeTtlMs: number;
  readonly negativeEntriesMax: number;
  /** How long a read that insists on asking the network first waits before it takes what is held. */
  readonly askFirstMs: number;
}

export interface Resolution {
  readonly stored: StoredRecord;
  readonly freshness: Exclude<Freshness, "expired">;
  readonly answeredFrom: "store" | "network";
  /** What the network said to this read: `over-budget` and `failed` answers come from the store and say so. */
  readonly upstream: "not-asked" | "confirmed" | "failed" | "over-budget";
}

export interface RecordStoredEvent {
  readonly name: IpnsName;
  readonly current: StoredRecord;
}

export type RecordListener = (event: RecordStoredEvent) => void;

/**
 * What does this name point to, how fresh is that, may this new record replace it, who must hear of it.
 *
 * Everything that is answered was validated once, at this door, is durable, and has not expired.
 */
export class Records {
  readonly #parts: RecordsParts;
  readonly #options: RecordsOptions;
  readonly #hot: HotSet;
  readonly #absent: NegativeCache;
  readonly #lookups: Lookups;
  readonly #refresher: Refresher;
  readonly #listeners = new Set<RecordListener>();

  constructor(parts: RecordsParts, options: RecordsOptions) {
    const { clock, timers, metrics, routers } = parts;
    this.#parts = parts;
    this.#options = options;
    this.#hot = new HotSet({ bytesMax: options.hotBytesMax });
    this.#absent = new NegativeCache(clock, {
      ttlMs: options.negativeTtlMs,
      entriesMax: options.negativeEntriesMax,
    });
    const accept = async (name: IpnsName, candidate: Uint8Array): Promise<StoredRecord | undefined> =>
      this.#acceptFromNetwork(name, candidate);
    this.#lookups = new Lookups({ routers, accept, clock, timers, metrics }, options);
    this.#refresher = new Refresher(
      {
        lookups: this.#lookups,
        confirm: (name) => {
          this.#confirm(name);
        },
        ...parts,
      },
      options,
    );
  }

  /**
   * The record held here for this name, synchronously: from memory, else from the database. Undefined when none is held
   * or it has expired. A stale one is answered, and a refresh is scheduled behind it.
   */
  peek(name: IpnsName): StoredRecord | undefined {
    const nowMs = this.#parts.clock.nowMs();
    const stored = this.held(name);
    if (stored === undefined) return undefined;
    this.#parts.metrics.records.readsFromStore++;
    if (this.freshnessOf(stored, nowMs) === "stale") this.#refresher.schedule(name);
    return stored;
  }

  /** As {@link peek}, without counting a read or scheduling a refresh. */
  held(name: IpnsName): StoredRecord | undefined {
    const nowMs = this.#parts.clock.nowMs();
    let stored = this.#hot.get(name);
    if (stored === undefined) {
      const fromStore = this.#parts.store.get(name);
      if (fromStore !== undefined) stored = this.#hot.merge(fromStore, nowMs);
    }
    return stored === undefined || nowMs > stored.record.eolMs ? undefined : stored;
  }

  freshnessOf(stored: StoredRecord, nowMs: number = this.#parts.clock.nowMs()): Freshness {
    const { record, checkedAtMs } = stored;
    return freshnessOf({ checkedAtMs, freshForMs: freshForMs(record.ttlNs), eolMs: record.eolMs }, nowMs);
  }

  /** Whether the network was asked for this name a moment ago and knew nothing. */
  isKnownAbsent(name: IpnsName): boolean {
    return this.#absent.has(name);
  }

  /**
   * Resolves a name to its record.
   *
   * With `ask: 'if-absent'` (the default) the network is asked only when nothing is held; with `'first'` it is asked
   * before answering, within `askFirstMs`, and what is held is the answer when it stays silent. With `'never'` nobody is
   * asked, not even behind the answer.
   *
   * @throws HoldfastError `RECORD_NOT_FOUND`, `OVERLOADED`, `SHUTTING_DOWN`; the signal's reason when it aborts.
   */
  async resolve(
    name: IpnsName,
    options: { readonly signal: AbortSignal; readonly ask?: Ask },
  ): Promise<Resolution> {
    if (options.ask === "first") return this.#resolveByAskingFirst(name, options.signal);
    if (options.ask === "never") return this.#resolveFromHeld(name);
    const held = this.peek(name);
    if (held !== undefined) return this.#resolution(held, "store", "not-asked");
    if (this.#absent.has(name)) {
      this.#parts.metrics.records.negativeHits++;
      throw this.#notFound(name);
    }
    const lookup = this.#lookups.join(name);
    void lookup.done.then((result) => {
      if (result.heard && this.held(name) === undefined) this.#absent.add(name);
    });
    const found = await orAbort(lookup.first, options.signal);
    // A put may have come in while the network was silent.
    const stored = found ?? this.held(name);
    if (stored === undefined) throw this.#notFound(name);
    this.#parts.metrics.records.readsFromNetwork++;
    return this.#resolution(stored, found === undefined ? "store" : "network", "confirmed");
  }

  /**
   * Takes a record in: validates it with its name, stores it if it wins, tells the listeners. Settles when it is durable;
   * from then on every read gives this record or a better one (R4, R5).
   *
   * @throws HoldfastError `RECORD_INVALID` (`details.reason`), `OVERLOADED`, `STORE_FAILED`.
   */
  async publish(
    name: IpnsName,
    recordBytes: Uint8Array,
    facts: { readonly origin: RecordOrigin },
  ): Promise<PutResult> {
    const { clock, metrics, store, verifySignature } = this.#parts;
    const receivedAtMs = clock.nowMs();
    try {
      const settled = this.#withoutSignature(name, recordBytes, receivedAtMs);
      if (settled !== undefined) {
        metrics.records[settled.outcome]++;
        return settled;
      }
      const record = await validateRecord(recordBytes, name, { nowMs: receivedAtMs, verifySignature });
      const result = await store.put(record, { origin: facts.origin, receivedAtMs });
      this.#hot.merge(result.current, receivedAtMs);
      metrics.records[result.outcome]++;
      this.#absent.delete(name);
      if (result.outcome === "stored") this.#announce({ name, current: result.current });
      return result;
    } catch (err) {
      if (isHoldfastError(err) && err.code === "RECORD_INVALID") metrics.records.rejected++;
      throw err;
    }
  }

  /** As {@link resolveContentPath}, over these records. */
  async resolvePath(
    path: string,
    options: { readonly signal: AbortSignal; readonly ask?: Ask },
  ): Promise<ResolvedPath> {
    const { clock, dnslinks } = this.#parts;
    return resolveContentPath({ records: this, dnslinks }, path, { ...options, nowMs: clock.nowMs() });
  }

  /** Calls back once for each stored change, after its commit. Returns the function that ends it. */
  onStored(listener: RecordListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Ends lookups and refreshes. Puts under way settle by the store's own drain. */
  async close(): Promise<void> {
    this.#refresher.close();
    await this.#lookups.close();
  }

  #resolveFromHeld(name: IpnsName): Resolution {
    const held = this.held(name);
    if (held === undefined) throw this.#notFound(name, { asked: false });
    this.#parts.metrics.records.readsFromStore++;
    return this.#resolution(held, "store", "not-asked");
  }

  async #resolveByAskingFirst(name: IpnsName, signal: AbortSignal): Promise<Resolution> {
    const overBudget = Promise.withResolvers<"over-budget">();
    const cancel = this.#parts.timers.after(this.#options.askFirstMs, () => {
      overBudget.resolve("over-budget");
    });
    const asked = this.#askToTheEnd(name);
    try {
      const outcome = await orAbort(Promise.race([asked, overBudget.promise]), signal);
      const stored = this.held(name);
      if (stored === undefined) throw this.#notFound(name);
      this.#parts.metrics.records[outcome === "confirmed" ? "readsFromNetwork" : "readsFromStore"]++;
      return this.#resolution(stored, outcome === "confirmed" ? "network" : "store", outcome);
    } finally {
      cancel();
    }
  }

  async #askToTheEnd(name: IpnsName): Promise<"confirmed" | "failed"> {
    try {
      const lookup = await this.#lookups.joinNext(name);
      const { heard } = await lookup.done;
      if (heard) this.#confirm(name);
      return heard ? "confirmed" : "failed";
    } catch (err) {
      // Over capacity: what is held is the answer, and the answer says that the network was not heard.
      this.#parts.logger.debug({ err, name: name.text }, "lookup refused");
      return "failed";
    }
  }

  /**
   * The answers that need no signature check: the same bytes as the stored record, or a record that loses to it. A flood
   * of forged records must not buy signature checks with low sequences.
   *
   * Putting the stored bytes again does not count as a confirmation: anybody can do that, and could so keep an old record
   * looking fresh here while the network holds a newer one.
   */
  #withoutSignature(name: IpnsName, recordBytes: Uint8Array, nowMs: number): PutResult | undefined {
    const { record } = checkRecord(recordBytes, name, nowMs);
    const held = this.held(name);
    if (held === undefined) return undefined;
    const order = compareRecords(record, held.record);
    if (order > 0) return undefined;
    if (order < 0) return { outcome: "superseded", current: held };
    return { outcome: "unchanged", current: held };
  }

  async #acceptFromNetwork(name: IpnsName, candidate: Uint8Array): Promise<StoredRecord | undefined> {
    try {
      return (await this.publish(name, candidate, { origin: "network" })).current;
    } catch (err) {
      this.#parts.logger.debug({ err, name: name.text }, "candidate from the network refused");
      return undefined;
    }
  }

  /** Notes that what is held was just confirmed as the newest (R11, P3). */
  #confirm(name: IpnsName): void {
    const held = this.held(name);
    if (held === undefined) return;
    const checkedAtMs = this.#parts.clock.nowMs();
    this.#parts.store.confirm(name, checkedAtMs);
    this.#hot.merge({ ...held, checkedAtMs }, checkedAtMs);
  }

  #announce(event: RecordStoredEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (err) {
        // The record is stored; a listener that fails must not turn that into a refusal.
        this.#parts.logger.error({ err, name: event.name.text }, "record listener failed");
      }
    }
  }

  #resolution(
    stored: StoredRecord,
    answeredFrom: Resolution["answeredFrom"],
    upstream: Resolution["upstream"],
  ): Resolution {
    const freshness = this.freshnessOf(stored) === "fresh" ? "fresh" : "stale";
    return { stored, freshness, answeredFrom, upstream };
  }

  /** @param facts.asked without anybody asked, silence says nothing about whether the name exists. */
  #notFound(name: IpnsName, { asked } = { asked: this.#parts.routers.length > 0 }): HoldfastError {
    this.#parts.metrics.records.readsNotFound++;
    const details = { name: name.text, asked };
    return new HoldfastError("RECORD_NOT_FOUND", "routing: not found", { details });
  }
}
