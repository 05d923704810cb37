export interface PutPaceOptions {
  readonly limitMin: number;
  readonly limitMax: number;
  readonly limitAtStart: number;
  /** First and longest pause of a target that fails altogether. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
}

/** More of a round than this failed: the target is asked for too much. Records that no target takes must not slow down the others. */
const FAILED_SHARE_TOO_MUCH = 0.6;
/** With more than this the limit is not raised. */
const FAILED_SHARE_ENOUGH = 0.4;
/** Successful puts take so many times longer than usual: they queue at the target. */
const SLOWDOWN_TOO_MUCH = 2;
/** The fewest puts that a round is judged by. */
const ROUND_PUTS_MIN = 16;
/** Weights of one put in the running means of how long puts take lately, and usually. */
const [LATELY, USUALLY] = [1 / 16, 1 / 256];
/** How many puts try whether a target that failed altogether is back. */
const PROBES = 4;

/**
 * How many puts may be under way at one target: raised by one after each good round, doubled while nothing has gone wrong yet, lowered
 * when most of a round fails or puts take much longer than usual. A target that fails altogether is left alone for a
 * while, then tried with a few puts.
 */
export class PutPace {
  readonly #options: PutPaceOptions;
  readonly #random: () => number;
  #limit: number;
  /** Until the first setback. */
  #isRamping = true;
  #isProbing = false;
  #round = { settled: 0, failed: 0 };
  #latelyMs: number | undefined;
  #usuallyMs: number | undefined;
  #failuresInRow = 0;
  #pauseMs: number;
  #pausedUntilMs = 0;

  constructor(options: PutPaceOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
    this.#limit = options.limitAtStart;
    this.#pauseMs = options.pauseMs;
  }

  get limit(): number {
    return this.#isProbing ? Math.min(this.#limit, PROBES) : this.#limit;
  }

  /** No put may start before; in the past when the target is not paused. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  succeeded(tookMs: number): void {
    this.#failuresInRow = 0;
    this.#isProbing = false;
    this.#pauseMs = this.#options.pauseMs;
    this.#latelyMs = mix(this.#latelyMs, tookMs, LATELY);
    // Falls fast and rises slowly: what is usual is what it takes without a queue.
    const isFaster = this.#usuallyMs !== undefined && tookMs < this.#usuallyMs;
    this.#usuallyMs = mix(this.#usuallyMs, tookMs, isFaster ? LATELY : USUALLY);
    this.#settle({ failed: 0 });
  }

  /** The put of one record failed, for whatever reason. */
  failed(nowMs: number): void {
    this.#failuresInRow++;
    this.#settle({ failed: 1 });
    if (this.#failuresInRow >= Math.max(ROUND_PUTS_MIN, this.#limit) || this.#isProbing) this.#pause(nowMs);
  }

  /** The target cannot be reached: this says nothing about the record. */
  unavailable(nowMs: number): void {
    this.#pause(nowMs);
  }

  #pause(nowMs: number): void {
    // Puts that were under way end one after the other: that is one failure of the target.
    if (nowMs < this.#pausedUntilMs) return;
    this.#pausedUntilMs = nowMs + Math.floor(this.#pauseMs * (0.75 + 0.5 * this.#random()));
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.pauseMsMax);
    this.#isProbing = true;
    this.#failuresInRow = 0;
    // Afterwards it begins as at the start.
    this.#limit = Math.min(this.#limit, this.#options.limitAtStart);
    this.#isRamping = true;
    this.#round = { settled: 0, failed: 0 };
  }

  #settle({ failed }: { readonly failed: number }): void {
    this.#round.settled++;
    this.#round.failed += failed;
    if (this.#round.settled < Math.max(ROUND_PUTS_MIN, this.#limit)) return;
    const failedShare = this.#round.failed / this.#round.settled;
    this.#round = { settled: 0, failed: 0 };
    if (failedShare > FAILED_SHARE_TOO_MUCH) this.#lower(0.5);
    else if (this.#isSlow()) this.#lower(0.75);
    else if (failedShare <= FAILED_SHARE_ENOUGH) this.#raise();
  }

  #isSlow(): boolean {
    return (this.#latelyMs ?? 0) > SLOWDOWN_TOO_MUCH * (this.#usuallyMs ?? 0);
  }

  #lower(factor: number): void {
    this.#isRamping = false;
    this.#limit = Math.max(this.#options.limitMin, Math.floor(this.#limit * factor));
  }

  #raise(): void {
    const raised = this.#isRamping ? this.#limit * 2 : this.#limit + 1;
    this.#limit = Math.min(this.#options.limitMax, raised);
  }
}

function mix(mean: number | undefined, value: number, weight: number): number {
  return mean === undefined ? value : mean + weight * (value - mean);
}
