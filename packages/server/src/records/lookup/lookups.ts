import { HoldfastError, type IpnsName } from "@holdfast/core";
import type { Timers, Clock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { StoredRecord } from "../record-store.ts";
import { OVER_BUDGET, type QuestionParts, RouterQuestion, type WatchedRouter } from "./router-question.ts";

interface LookupResult {
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
  /** Settles when every router that is worth waiting for has ended, or the budget is used up. Never rejects. */
  readonly done: Promise<LookupResult>;
}

interface Parts {
  readonly routers: readonly WatchedRouter[];
  /** Validates and stores a candidate. */
  readonly judge: QuestionParts["judge"];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Metrics;
}

export interface LookupOptions {
  /** How long the first answer may take. */
  readonly firstAnswerMs: number;
  /** How long the whole lookup may take. */
  readonly budgetMs: number;
  /** Over all reasons: cold reads, reads that insist, refreshes. */
  readonly lookupsMax: number;
  /** How much later than the others routers are asked that lately failed or lied. */
  readonly hedgeMs: number;
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
  /** Questions with queries under way, also those that nobody waits for any more. */
  readonly #questions = new Set<Promise<void>>();
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
    await Promise.all(this.#questions);
  }

  #start(name: IpnsName): Lookup {
    const { timers, metrics } = this.#parts;
    metrics.records.lookups++;
    const first = Promise.withResolvers<StoredRecord | undefined>();
    const budget = new AbortController();
    const cancelFirst = timers.after(this.#options.firstAnswerMs, () => {
      first.resolve(undefined);
    });
    const cancelBudget = timers.after(this.#options.budgetMs, () => {
      budget.abort(OVER_BUDGET);
    });
    const question = new RouterQuestion(name, this.#parts, {
      hedgeMs: this.#options.hedgeMs,
      signal: AbortSignal.any([budget.signal, this.#closing.signal]),
      onValid: first.resolve,
    });
    const done = question.done.finally(() => {
      cancelFirst();
      first.resolve(undefined);
      this.#inFlight.delete(name.text);
    });
    const over = question.over().finally(() => {
      cancelBudget();
      this.#questions.delete(over);
    });
    this.#questions.add(over);
    const lookup = { first: first.promise, done };
    this.#inFlight.set(name.text, lookup);
    return lookup;
  }
}
