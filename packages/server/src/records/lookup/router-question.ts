import { type IpnsName, isHoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { JudgedCandidate } from "./judge-candidate.ts";
import type { RecordRouter } from "./record-router.ts";
import type { StoredRecord } from "../record-store.ts";
import type { RouterAttempt, RouterHealth, RouterVerdict } from "./router-health.ts";

/** A router that is asked, and what is known about it. */
export interface WatchedRouter {
  readonly router: RecordRouter;
  readonly health: RouterHealth;
}

export interface QuestionParts {
  readonly routers: readonly WatchedRouter[];
  /** @param via the label of the router that gave it. */
  readonly judge: (name: IpnsName, candidate: Uint8Array, via: string) => Promise<JudgedCandidate>;
  readonly clock: Clock;
  readonly timers: Timers;
}

export interface QuestionOptions {
  /** Doubtful routers are asked this much later than the others, or when those have all come to their end. */
  readonly hedgeMs: number;
  /** Its `reason` is {@link OVER_BUDGET} when time is up: a router that said nothing until then has failed. */
  readonly signal: AbortSignal;
  /** Called with what is held after each valid answer. */
  readonly onValid: (stored: StoredRecord) => void;
}

export const OVER_BUDGET = new Error("the lookup's time is up");

interface Asked extends WatchedRouter {
  readonly attempt: RouterAttempt;
}

/** Best first: what a query says of its router is said by the best of its candidates. */
const VERDICTS: readonly Exclude<RouterVerdict, "nothing">[] = ["found", "older", "expired", "invalid"];

/**
 * One question to all routers. Those that work are asked at once, since the first answer need not be the best (P1); the
 * doubtful ones a little later; one with an open breaker is not asked, and the probe of one that is half-open goes along without
 * anybody waiting for it.
 */
export class RouterQuestion {
  readonly #parts: QuestionParts;
  readonly #options: QuestionOptions;
  readonly #name: IpnsName;
  readonly #done = Promise.withResolvers<{ readonly heard: boolean }>();
  /** Those whose end is waited for. */
  readonly #awaited = new Set<Asked>();
  /** Of those, the ones that have had their time: they are waited for only while nobody else was heard. */
  readonly #late = new Set<Asked>();
  readonly #running: Promise<void>[] = [];
  readonly #cancelTimers: (() => void)[] = [];
  #doubtful: readonly Asked[] = [];
  #heard = false;

  constructor(name: IpnsName, parts: QuestionParts, options: QuestionOptions) {
    this.#name = name;
    this.#parts = parts;
    this.#options = options;
    this.#ask();
  }

  /** Settles when nobody is waited for any more, at the latest when the signal aborts. Never rejects. */
  get done(): Promise<{ readonly heard: boolean }> {
    return this.#done.promise;
  }

  /** Settles when every query has ended, also those that nobody waits for; their answers are taken in until then. */
  async over(): Promise<void> {
    await this.#done.promise;
    await Promise.all(this.#running);
    for (const cancel of this.#cancelTimers) cancel();
  }

  #ask(): void {
    const { signal } = this.#options;
    const admitted = this.#parts.routers.flatMap((watched): Asked[] => {
      const attempt = watched.health.admit();
      return attempt === undefined ? [] : [{ ...watched, attempt }];
    });
    admitted.sort((a, b) => b.health.score - a.health.score);
    const probes = admitted.filter(({ attempt }) => attempt.isProbe);
    const others = admitted.filter(({ attempt }) => !attempt.isProbe);
    const sure = others.filter(({ health }) => !health.isDoubtful);
    this.#doubtful = others.filter(({ health }) => health.isDoubtful);
    signal.addEventListener("abort", () => this.#end(), { once: true });
    // Without anybody better, those who are left are worth waiting for.
    const isProbeAwaited = others.length === 0;
    for (const asked of probes) this.#start(asked, isProbeAwaited);
    for (const asked of sure) this.#start(asked, true);
    if (sure.length === 0) this.#askDoubtful();
    else if (this.#doubtful.length > 0) this.#after(this.#options.hedgeMs, () => this.#askDoubtful());
    this.#check();
  }

  #askDoubtful(): void {
    const doubtful = this.#doubtful;
    this.#doubtful = [];
    for (const asked of doubtful) this.#start(asked, true);
  }

  #start(asked: Asked, isAwaited: boolean): void {
    if (isAwaited) {
      this.#awaited.add(asked);
      const { patienceMs } = asked.health;
      if (patienceMs !== undefined) {
        this.#after(patienceMs, () => {
          this.#late.add(asked);
          this.#check();
        });
      }
    }
    const query = this.#query(asked).finally(() => {
      this.#awaited.delete(asked);
      this.#check();
    });
    this.#running.push(query);
  }

  #check(): void {
    const isWaiting = [...this.#awaited].some((asked) => !(this.#heard && this.#late.has(asked)));
    if (isWaiting) return;
    if (this.#doubtful.length > 0 && !this.#options.signal.aborted) this.#askDoubtful();
    else this.#end();
  }

  #end(): void {
    for (const { attempt } of this.#doubtful) attempt.undecided();
    this.#doubtful = [];
    this.#done.resolve({ heard: this.#heard });
  }

  #after(delayMs: number, callback: () => void): void {
    this.#cancelTimers.push(this.#parts.timers.after(delayMs, callback));
  }

  async #query({ router, attempt }: Asked): Promise<void> {
    const { signal, onValid } = this.#options;
    const { clock, judge } = this.#parts;
    const startedAtMs = clock.nowMs();
    const verdicts = new Set<JudgedCandidate["verdict"]>();
    let latencyMs: number | undefined;
    try {
      for await (const candidate of router.get(this.#name, { signal })) {
        latencyMs ??= clock.nowMs() - startedAtMs;
        const { verdict, stored } = await judge(this.#name, candidate, router.label);
        verdicts.add(verdict);
        if (stored === undefined) continue;
        this.#heard = true;
        onValid(stored);
        this.#check();
      }
    } catch (err) {
      // A router that cannot be asked has said nothing; the others' answers count, and `heard` tells the difference.
      if (verdicts.size === 0 && !signal.aborted) return attempt.failed(retryAfterMsIn(err));
    }
    const verdict = VERDICTS.find((candidate) => verdicts.has(candidate));
    if (verdict !== undefined) attempt.ended(verdict, latencyMs ?? 0);
    else if (verdicts.size > 0) attempt.undecided();
    else if (signal.aborted) this.#endedByUs(attempt);
    else {
      this.#heard = true;
      attempt.ended("nothing", clock.nowMs() - startedAtMs);
    }
  }

  #endedByUs(attempt: RouterAttempt): void {
    if (this.#options.signal.reason === OVER_BUDGET) attempt.failed();
    else attempt.undecided();
  }
}

function retryAfterMsIn(err: unknown): number {
  const retryAfterMs = isHoldfastError(err) ? err.details["retryAfterMs"] : undefined;
  return typeof retryAfterMs === "number" ? retryAfterMs : 0;
}
