import { HoldfastError, type IpnsName } from "@holdfast/core";
import type { Timers, Clock } from "../telemetry/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { RecordRouter } from "./record-router.ts";
import type { StoredRecord } from "./record-store.ts";

export interface LookupResult {
  /** The best unexpired record after the lookup, or undefined. */
  readonly best: StoredRecord | undefined;
  /** Whether a router was asked and came to the end of its query, or gave a valid answer: only then is silence a "no". */
  readonly heard: boolean;
}

/** One question to the network about one name, shared by everybody who asks meanwhile. */
export interface Lookup {
  /**
   * The first valid answer. Undefined when there is none within `firstAnswerMs`, or when the query ended without one.
   * Better answers may follow until `done`; they are stored and announced like any other.
   */
  readonly first: Promise<StoredRecord | undefined>;
  /** Settles when every router has ended or the budget is used up. Never rejects. */
  readonly done: Promise<LookupResult>;
}

interface Parts {
  readonly routers: readonly RecordRouter[];
  /** Validates and stores a candidate. Returns what is stored then, or undefined when the candidate was not valid. */
  readonly accept: (name: IpnsName, candidate: Uint8Array) => Promise<StoredRecord | undefined>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
}

export interface LookupOptions {
  /** How long the first answer may take. */
  readonly firstAnswerMs: number;
  /** How long the whole lookup may take. */
  readonly budgetMs: number;
  readonly lookupsMax: number;
}

/**
 * Asks all routers at once, in two phases: the first valid answer is given at once, better ones within the budget
 * replace it (P1: the first answer is not the best one). One lookup per name is in flight, and at most `lookupsMax` in all.
 */
export class Lookups {
  readonly #parts: Parts;
  readonly #options: LookupOptions;
  readonly #inFlight = new Map<string, Lookup>();
  /** Lookups that start when the one in flight ends, for askers who need an answer newer than their question. */
  readonly #next = new Map<string, Promise<Lookup>>();
  readonly #closing = new AbortController();

  constructor(parts: Parts, options: LookupOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  isInFlight(name: IpnsName): boolean {
    return this.#inFlight.has(name.text);
  }

  /**
   * Joins the lookup of this name, or starts it.
   *
   * @throws HoldfastError `OVERLOADED` when `lookupsMax` other names are being looked up, `SHUTTING_DOWN`.
   */
  join(name: IpnsName): Lookup {
    const running = this.#inFlight.get(name.text);
    if (running !== undefined) {
      this.#parts.metrics.records.lookupsShared++;
      return running;
    }
    if (this.#closing.signal.aborted) throw new HoldfastError("SHUTTING_DOWN", "shutting down");
    if (this.#inFlight.size >= this.#options.lookupsMax) {
      throw new HoldfastError("OVERLOADED", "too many names are being looked up");
    }
    return this.#start(name);
  }

  /**
   * A lookup that began after this call: one that is already under way may have passed the peer that now knows better.
   * All who ask while one is under way share the one that follows it.
   */
  async joinNext(name: IpnsName): Promise<Lookup> {
    const running = this.#inFlight.get(name.text);
    if (running === undefined) return this.join(name);
    let next = this.#next.get(name.text);
    if (next === undefined) {
      next = running.done.then(() => {
        this.#next.delete(name.text);
        return this.join(name);
      });
      this.#next.set(name.text, next);
    }
    return next;
  }

  /** Ends every lookup; those who wait get what was found so far. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#inFlight.values()].map((lookup) => lookup.done));
  }

  #start(name: IpnsName): Lookup {
    this.#parts.metrics.records.lookups++;
    const first = Promise.withResolvers<StoredRecord | undefined>();
    const budget = new AbortController();
    const cancelTimers = [
      this.#parts.timers.after(this.#options.firstAnswerMs, () => {
        first.resolve(undefined);
      }),
      this.#parts.timers.after(this.#options.budgetMs, () => {
        budget.abort();
      }),
    ];
    const signal = AbortSignal.any([budget.signal, this.#closing.signal]);
    const done = this.#askAll(name, signal, first.resolve).finally(() => {
      for (const cancel of cancelTimers) cancel();
      first.resolve(undefined);
      this.#inFlight.delete(name.text);
    });
    const lookup = { first: first.promise, done };
    this.#inFlight.set(name.text, lookup);
    return lookup;
  }

  async #askAll(
    name: IpnsName,
    signal: AbortSignal,
    onFirst: (stored: StoredRecord) => void,
  ): Promise<LookupResult> {
    let best: StoredRecord | undefined;
    let heard = false;
    await Promise.all(
      this.#parts.routers.map(async (router) => {
        try {
          for await (const candidate of router.get(name, { signal })) {
            const stored = await this.#parts.accept(name, candidate);
            if (stored === undefined) continue;
            // `stored` is what the store holds after this candidate, so a later one is never worse than an earlier one.
            best = stored;
            heard = true;
            onFirst(stored);
          }
          if (!signal.aborted) heard = true;
        } catch {
          // A router that cannot be asked has said nothing; the others' answers count, and `heard` tells the difference.
        }
      }),
    );
    return { best, heard };
  }
}
