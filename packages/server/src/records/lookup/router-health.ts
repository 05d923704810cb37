import type { Clock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { type BreakerOptions, type BreakerState, CircuitBreaker } from "./circuit-breaker.ts";

/**
 * What one query of a router came to, as our own check of its candidates found. `expired` and `invalid` (forged, malformed,
 * another name's) are lies, `older` than what we hold is one in its effect; a router that merely lags recovers soon.
 */
export type RouterVerdict = "found" | "nothing" | "older" | "expired" | "invalid";

export interface RouterHealthOptions {
  /** Absent: its failures open nothing. For a backend, which fails its calls at once while it is away. */
  readonly breaker?: BreakerOptions;
  /**
   * How long an answer of it is waited for once another router was heard, while nothing is known of its pace. Absent: as long
   * as the budget lasts.
   */
  readonly patienceMs?: number;
}

export interface RouterStatus {
  readonly label: string;
  /** From 0 (useless) to 1 (true and instant): {@link RouterStatus.reliability} times its speed. */
  readonly score: number;
  /** From 0 to 1: the share of late queries that were answered, and truly; the latest count most. */
  readonly reliability: number;
  /** Until the first candidate or the end of a query, averaged, the latest count most. Null before the first. */
  readonly latencyMs: number | null;
  readonly asked: number;
  readonly found: number;
  readonly failures: number;
  readonly lies: { readonly older: number; readonly expired: number; readonly invalid: number };
  readonly breaker: BreakerState;
  /** Until it is tried again. */
  readonly pauseLeftMs: number;
}

/** One query under way. Exactly one of its endings is to be called; later calls do nothing. */
export interface RouterAttempt {
  /** Whether it only finds out if the router works again: nobody should wait for it. */
  readonly isProbe: boolean;
  ended(verdict: RouterVerdict, latencyMs: number): void;
  failed(retryAfterMs?: number): void;
  /** It ended for a reason of ours. */
  undecided(): void;
}

/** How far one query moves the averages: after four bad ones in a row a good router is doubtful. */
const RELIABILITY_STEP = 0.2;
const LATENCY_STEP = 0.3;
const DOUBTFUL_BELOW = 0.5;
/** A router that takes so long has half the score of an instant one. */
const HALF_SCORE_MS = 2_000;
const PATIENCE_MS_MIN = 1_000;
const PATIENCE_MS_MAX = 5_000;
const PATIENCE_LATENCIES = 4;

/** What a verdict says about the router: 1 is a good sign, 0 a bad one. Answers that lag are more excusable than forged ones. */
const WORTH: Readonly<Record<RouterVerdict, number>> = {
  found: 1,
  nothing: 1,
  older: 0.25,
  expired: 0,
  invalid: 0,
};

/** What we know about one router from asking it: whether it works, how fast, and whether it tells the truth. */
export class RouterHealth {
  readonly label: string;
  readonly #metrics: Metrics;
  readonly #options: RouterHealthOptions;
  readonly #breaker: CircuitBreaker | undefined;
  readonly #lies = { older: 0, expired: 0, invalid: 0 };
  #reliability = 1;
  #latencyMs: number | undefined;
  #asked = 0;
  #found = 0;
  #failures = 0;

  constructor(
    label: string,
    parts: { readonly clock: Clock; readonly random: () => number; readonly metrics: Metrics },
    options: RouterHealthOptions = {},
  ) {
    this.label = label;
    this.#metrics = parts.metrics;
    this.#options = options;
    this.#breaker = options.breaker === undefined ? undefined : new CircuitBreaker(parts, options.breaker);
  }

  /** Whether it lately failed or lied so often that others should be asked before it. Never true of a backend. */
  get isDoubtful(): boolean {
    return this.#breaker !== undefined && this.#reliability < DOUBTFUL_BELOW;
  }

  get score(): number {
    return this.#reliability / (1 + (this.#latencyMs ?? 0) / HALF_SCORE_MS);
  }

  /** How long it is waited for once another router was heard. Undefined: as long as the budget lasts. */
  get patienceMs(): number | undefined {
    if (this.#options.patienceMs === undefined || this.#latencyMs === undefined)
      return this.#options.patienceMs;
    return Math.min(PATIENCE_MS_MAX, Math.max(PATIENCE_MS_MIN, this.#latencyMs * PATIENCE_LATENCIES));
  }

  /** Undefined while it is to be left alone. */
  admit(): RouterAttempt | undefined {
    const entered = this.#breaker === undefined ? "ask" : this.#breaker.enter();
    if (entered === undefined) {
      this.#metrics.routers.skipped++;
      return undefined;
    }
    let isOver = false;
    const once = (end: () => void): void => {
      if (!isOver) end();
      isOver = true;
    };
    return {
      isProbe: entered === "probe",
      ended: (verdict, latencyMs) => once(() => this.#ended(entered, verdict, latencyMs)),
      failed: (retryAfterMs) => once(() => this.#failed(entered, retryAfterMs)),
      undecided: () => once(() => this.#breaker?.undecided(entered)),
    };
  }

  status(): RouterStatus {
    return {
      label: this.label,
      score: this.score,
      reliability: this.#reliability,
      latencyMs: this.#latencyMs ?? null,
      asked: this.#asked,
      found: this.#found,
      failures: this.#failures,
      lies: { ...this.#lies },
      breaker: this.#breaker?.state ?? "closed",
      pauseLeftMs: this.#breaker?.pauseLeftMs ?? 0,
    };
  }

  #ended(entered: "ask" | "probe", verdict: RouterVerdict, latencyMs: number): void {
    this.#count();
    this.#latencyMs = average(this.#latencyMs, latencyMs, LATENCY_STEP);
    this.#reliability = average(this.#reliability, WORTH[verdict], RELIABILITY_STEP);
    if (verdict === "found") this.#found++;
    if (verdict === "found" || verdict === "nothing") return this.#breaker?.succeeded();
    this.#lies[verdict]++;
    this.#metrics.routers.lies++;
    // One that lags works; one whose answers do not pass validation is of no more use than one that is down.
    if (verdict === "older") this.#breaker?.succeeded();
    else this.#breaker?.failed(entered);
  }

  #failed(entered: "ask" | "probe", retryAfterMs = 0): void {
    this.#count();
    this.#failures++;
    this.#metrics.routers.failures++;
    this.#reliability = average(this.#reliability, 0, RELIABILITY_STEP);
    this.#breaker?.failed(entered, retryAfterMs);
  }

  #count(): void {
    this.#asked++;
    this.#metrics.routers.asked++;
  }
}

function average(before: number | undefined, now: number, step: number): number {
  return before === undefined ? now : before + (now - before) * step;
}
