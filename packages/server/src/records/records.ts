import { type Freshness, HoldfastError, type IpnsName, type VerifySignature } from "@holdfast/core";
import type { Clock, Timers } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type AnomalyOptions, AnomalyWatch } from "./anomalies/anomalies.ts";
import type { Anomaly, AnomalyStore } from "./anomalies/anomaly-store.ts";
import type { Dnslinks } from "./dnslinks.ts";
import type { Ask } from "./lookup/ask.ts";
import { HeldRecords } from "./held-records.ts";
import { judgeCandidate } from "./lookup/judge-candidate.ts";
import { type LookupOptions, Lookups } from "./lookup/lookups.ts";
import { NegativeCache } from "./lookup/negative-cache.ts";
import { orAbort } from "./or-abort.ts";
import { Popularity, type PopularityOptions } from "./lookup/popularity.ts";
import { type PublishFacts, Publishing, type RecordListener } from "./publishing.ts";
import type { RecordRouter } from "./lookup/record-router.ts";
import type { PutResult, RecordStore, StoredRecord } from "./record-store.ts";
import { Refresher, type RefreshOptions } from "./lookup/refresher.ts";
import { type ResolvedPath, resolveContentPath } from "./resolve-path.ts";
import { RouterHealth } from "./lookup/router-health.ts";

export type { RecordListener, RecordStoredEvent } from "./publishing.ts";

export interface RecordsParts {
  readonly store: RecordStore;
  readonly routers: readonly RecordRouter[];
  /** What is known about each router. Default: nothing, and its failures never keep us from asking it. */
  readonly healthOf?: (router: RecordRouter) => RouterHealth;
  readonly verifySignature: VerifySignature;
  /** Absent: nobody looks for what is odd. */
  readonly anomalyStore?: AnomalyStore;
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
  readonly anomalies: AnomalyOptions;
  readonly popularity: PopularityOptions;
}

export interface Resolution {
  readonly stored: StoredRecord;
  readonly freshness: Exclude<Freshness, "expired">;
  readonly answeredFrom: "store" | "network";
  /** What the network said to this read: `over-budget` and `failed` answers come from the store and say so. */
  readonly upstream: "not-asked" | "confirmed" | "failed" | "over-budget";
  /** Of a cold read: whether other routers may still give something better, which is stored and pushed then. */
  readonly lookup?: "first-answer" | "complete";
}

/**
 * What does this name point to, how fresh is that, may this new record replace it, who must hear of it.
 *
 * Everything that is answered was validated once, at this door, is durable, and has not expired.
 */
export class Records {
  readonly #parts: RecordsParts;
  readonly #options: RecordsOptions;
  readonly #held: HeldRecords;
  readonly #absent: NegativeCache;
  readonly #lookups: Lookups;
  readonly #refresher: Refresher;
  readonly #popularity: Popularity;
  readonly #publishing: Publishing;
  readonly #anomalies: AnomalyWatch | undefined;

  constructor(parts: RecordsParts, options: RecordsOptions) {
    const { clock, logger, anomalyStore } = parts;
    const healthOf = parts.healthOf ?? ((router) => new RouterHealth(router.label, parts));
    this.#parts = parts;
    this.#options = options;
    this.#held = new HeldRecords(parts, options);
    if (anomalyStore !== undefined)
      this.#anomalies = new AnomalyWatch({ ...parts, store: anomalyStore }, options.anomalies);
    this.#publishing = new Publishing({ ...parts, held: this.#held, anomalies: this.#anomalies });
    this.#absent = new NegativeCache(clock, {
      ttlMs: options.negativeTtlMs,
      entriesMax: options.negativeEntriesMax,
    });
    this.#popularity = new Popularity(parts, options.popularity);
    this.#lookups = new Lookups(
      {
        ...parts,
        routers: parts.routers.map((router) => ({ router, health: healthOf(router) })),
        judge: (name, candidate, via) => {
          const publish = (): Promise<PutResult> => this.publish(name, candidate, { origin: "network", via });
          return judgeCandidate({ publish, logger }, name, candidate);
        },
      },
      options,
    );
    this.#refresher = new Refresher(
      {
        lookups: this.#lookups,
        confirm: (name) => {
          this.#noteHeard(name);
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
    this.#popularity.note(name);
    if (this.freshnessOf(stored, nowMs) === "stale") this.#refresher.schedule(name);
    return stored;
  }

  /** As {@link peek}, without counting a read or scheduling a refresh. */
  held(name: IpnsName): StoredRecord | undefined {
    return this.#held.get(name);
  }

  freshnessOf(stored: StoredRecord, nowMs: number = this.#parts.clock.nowMs()): Freshness {
    return this.#held.freshnessOf(stored, nowMs);
  }

  /** As {@link HeldRecords.copies}. */
  copies(name: IpnsName): ReturnType<HeldRecords["copies"]> {
    return this.#held.copies(name);
  }

  /** Held names that are read all the time. To be called regularly: it lets old reads fade. */
  popularNames(): readonly IpnsName[] {
    return this.#popularity.names();
  }

  /** Asks the network for this name soon, without anybody waiting for it. */
  refreshBehind(name: IpnsName): void {
    this.#refresher.schedule(name);
  }

  get refreshesWaiting(): number {
    return this.#refresher.waiting;
  }

  isLookedUp(name: IpnsName): boolean {
    return this.#lookups.isInFlight(name);
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
      if (this.#absent.isAgeing(name)) this.#refresher.schedule(name);
      throw this.#notFound(name, { phase: "known-absent" });
    }
    const lookup = this.#lookups.join(name);
    void lookup.done.then((result) => {
      if (result.heard && this.held(name) === undefined) this.#absent.add(name);
    });
    const found = await orAbort(lookup.first, options.signal);
    // A put may have come in while the network was silent.
    const stored = found ?? this.held(name);
    const isLookedUp = this.isLookedUp(name);
    if (stored === undefined) {
      if (isLookedUp) throw this.#notFound(name, { phase: "over-budget" });
      throw this.#notFound(name, { phase: (await lookup.done).heard ? "complete" : "failed" });
    }
    this.#parts.metrics.records.readsFromNetwork++;
    return {
      ...this.#resolution(stored, found === undefined ? "store" : "network", "confirmed"),
      lookup: isLookedUp ? "first-answer" : "complete",
    };
  }

  /**
   * Takes a record in: validates it with its name, stores it if it wins, tells the listeners. Settles when it is durable;
   * from then on every read gives this record or a better one (R4, R5).
   *
   * @throws HoldfastError `RECORD_INVALID` (`details.reason`), `SEQUENCE_CONFLICT` when something else was `expected`,
   *   `OVERLOADED`, `STORE_FAILED`.
   */
  async publish(name: IpnsName, recordBytes: Uint8Array, facts: PublishFacts): Promise<PutResult> {
    const result = await this.#publishing.publish(name, recordBytes, facts);
    this.#absent.delete(name);
    return result;
  }

  /** See `RecordStore.history`. Expired records are in it, too. */
  history(name: IpnsName): ReturnType<RecordStore["history"]> {
    return this.#parts.store.history(name);
  }

  /** What was odd about a name. It decided nothing. */
  async anomaliesOf(name: IpnsName): Promise<readonly Anomaly[]> {
    return (await this.#anomalies?.of(name)) ?? [];
  }

  /** Lookups of distinct names under way, for clients and behind stale answers. */
  get lookupsInFlight(): number {
    return this.#lookups.inFlight;
  }

  /** As {@link resolveContentPath}, over these records. */
  async resolvePath(
    path: string,
    options: { readonly signal: AbortSignal; readonly ask?: Ask },
  ): Promise<ResolvedPath> {
    const { clock, dnslinks } = this.#parts;
    return resolveContentPath({ records: this, dnslinks, clock }, path, options);
  }

  /** Calls back once for each stored change, after its commit. Returns the function that ends it. */
  onStored(listener: RecordListener): () => void {
    return this.#publishing.onStored(listener);
  }

  /** Ends lookups and refreshes. Puts under way settle by the store's own drain. */
  async close(): Promise<void> {
    this.#refresher.close();
    await this.#lookups.close();
    await this.#anomalies?.close();
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
      if (stored === undefined)
        throw this.#notFound(name, { phase: outcome === "confirmed" ? "complete" : outcome });
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
      if (heard) this.#noteHeard(name);
      return heard ? "confirmed" : "failed";
    } catch (err) {
      // Over capacity: what is held is the answer, and the answer says that the network was not heard.
      this.#parts.logger.debug({ err, name: name.text }, "lookup refused");
      return "failed";
    }
  }

  /** A lookup came to its end: what is held is the newest (R11, P3), or there is nothing to hold. */
  #noteHeard(name: IpnsName): void {
    if (this.held(name) === undefined) this.#absent.add(name);
    else this.#held.confirm(name);
  }

  #resolution(
    stored: StoredRecord,
    answeredFrom: Resolution["answeredFrom"],
    upstream: Resolution["upstream"],
  ): Resolution {
    const freshness = this.freshnessOf(stored) === "fresh" ? "fresh" : "stale";
    return { stored, freshness, answeredFrom, upstream };
  }

  /**
   * @param facts.asked without anybody asked, silence says nothing about whether the name exists.
   * @param facts.phase how far the lookup had come.
   */
  #notFound(
    name: IpnsName,
    facts: {
      readonly asked?: boolean;
      readonly phase?: "known-absent" | "complete" | "over-budget" | "failed";
    },
  ): HoldfastError {
    this.#parts.metrics.records.readsNotFound++;
    const details = { name: name.text, asked: this.#parts.routers.length > 0, ...facts };
    return new HoldfastError("RECORD_NOT_FOUND", "routing: not found", { details });
  }
}
