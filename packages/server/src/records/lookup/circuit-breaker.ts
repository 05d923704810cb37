import type { Clock } from "../../telemetry/clock.ts";

export type BreakerState = "closed" | "open" | "half-open";

export interface BreakerOptions {
  /** So many failures one after the other open it: a single one may be bad luck. */
  readonly failuresMax: number;
  /** The first pause; each further one is twice as long. */
  readonly firstPauseMs: number;
  readonly pauseMsMax: number;
}

/**
 * Keeps us from asking somebody who does not work: after some failures in a row it is open for a while, then half-open, which
 * lets one request find out. Pauses are jittered, so that many nodes do not come back to a recovering server together.
 */
export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #options: BreakerOptions;
  #failures = 0;
  #pauses = 0;
  #openUntilMs = 0;
  #isProbing = false;

  constructor(
    { clock, random }: { readonly clock: Clock; readonly random: () => number },
    options: BreakerOptions,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
  }

  get state(): BreakerState {
    if (this.#pauses === 0) return "closed";
    return this.#clock.nowMs() < this.#openUntilMs ? "open" : "half-open";
  }

  /** How long it stays open, 0 when it is not. */
  get pauseLeftMs(): number {
    return this.#pauses === 0 ? 0 : Math.max(0, this.#openUntilMs - this.#clock.nowMs());
  }

  /** `ask` as usual; `probe`: the one request that finds out; undefined: leave it alone. */
  enter(): "ask" | "probe" | undefined {
    const { state } = this;
    if (state === "closed") return "ask";
    if (state === "open" || this.#isProbing) return undefined;
    this.#isProbing = true;
    return "probe";
  }

  succeeded(): void {
    this.#failures = 0;
    this.#pauses = 0;
    this.#isProbing = false;
  }

  /**
   * Requests that were under way when it opened do not make the pause longer: only the probe's failure does.
   *
   * @param retryAfterMs how long they asked to be left alone; believed up to the longest pause.
   */
  failed(entered: "ask" | "probe", retryAfterMs = 0): void {
    this.#failures++;
    if (entered === "probe") this.#isProbing = false;
    else if (this.#pauses > 0) return;
    const isOver = this.#failures >= this.#options.failuresMax || entered === "probe" || retryAfterMs > 0;
    if (!isOver) return;
    const { firstPauseMs, pauseMsMax } = this.#options;
    const pauseMs = Math.min(pauseMsMax, firstPauseMs * 2 ** Math.min(this.#pauses, 20));
    this.#pauses++;
    const jitteredMs = pauseMs * (0.75 + this.#random() / 2);
    this.#openUntilMs = this.#clock.nowMs() + Math.max(jitteredMs, Math.min(retryAfterMs, pauseMsMax));
  }

  /** The request ended for a reason that says nothing about them. */
  undecided(entered: "ask" | "probe"): void {
    if (entered === "probe") this.#isProbing = false;
  }
}
