import type { Clock } from "../../telemetry/clock.ts";

/** So many failures one after the other, and a source is left alone for a while. A single one may be bad luck. */
const FAILURES_MAX = 3;
const FIRST_PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;

/** Keeps us from asking a source that does not work: after some failures it has a pause, each longer than the one before. */
export class BackOff {
  readonly #clock: Clock;
  #failures = 0;
  #pausedUntilMs = 0;
  #isProbing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the source may be asked now. After a pause one request may find out whether it works again. */
  enter(): boolean {
    if (this.#failures < FAILURES_MAX) return true;
    if (this.#isProbing || this.#clock.nowMs() < this.#pausedUntilMs) return false;
    this.#isProbing = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#isProbing = false;
  }

  /** @param retryAfterMs how long the source asked to be left alone. */
  failed(retryAfterMs = 0): void {
    this.#isProbing = false;
    this.#failures++;
    const doublings = Math.max(0, this.#failures - FAILURES_MAX);
    const pauseMs = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** Math.min(doublings, 16));
    if (retryAfterMs > 0) this.#failures = Math.max(this.#failures, FAILURES_MAX);
    this.#pausedUntilMs = this.#clock.nowMs() + Math.max(pauseMs, Math.min(retryAfterMs, PAUSE_MS_MAX));
  }

  /** The request ended for a reason that says nothing about the source. */
  undecided(): void {
    this.#isProbing = false;
  }
}
