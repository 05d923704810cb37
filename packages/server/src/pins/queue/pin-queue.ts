import { isHoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { type FailureParts, failureOf, type RetryPolicy } from "./pin-failure.ts";
import { pinKeyOf } from "../pin-key.ts";
import { PinRate } from "./pin-rate.ts";
import type { PinSource } from "../pin.ts";
import type { PinOutcome, PinStep, QueuedPin } from "../pin-row.ts";
import type { PinStore } from "../pin-store.ts";
import { isWish, PinTurns } from "./pin-turns.ts";
import { SlowAttempts, type SlowOptions } from "./slow-attempts.ts";

export interface PinQueueParts {
  readonly store: Pick<PinStore, "ready" | "settle" | "nextWakeAtMs" | "wake">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  /** Whether the backend answers, as far as is known. */
  readonly isBackendUp: () => boolean;
  /** Shared by the queues of all steps: of one pin, one step at a time is at work. */
  readonly busy: Map<string, AbortController>;
  /** One attempt. What it throws is what the pin fails with; the first of what it returns is what became of it. */
  readonly attempt: (pin: QueuedPin, options: AttemptControl) => Promise<readonly PinOutcome[]>;
  /** Resting pins may be ready now, of any step. */
  readonly onWoken: () => void;
  /** After each attempt. `isNoted`: this outcome is in the store. Must not throw or wait. */
  readonly onEnd: (pin: QueuedPin, outcome: PinOutcome | undefined, isNoted: boolean) => void;
}

export interface AttemptControl {
  /** Aborted with a HoldfastError: that is what the pin fails with. With anything else: nothing is noted. */
  readonly signal: AbortSignal;
  /** So many blocks have come. */
  readonly onBlocks: (blocks: number) => void;
}

export interface PinQueueOptions {
  readonly step: PinStep;
  /** Attempts at once. */
  readonly workers: number;
  /** Wishes that begin; content that came with its request is not slowed down. */
  readonly wishesPerSecondMax: number;
  readonly retry: RetryPolicy;
  /** For attempts that tell of their blocks: a wish that brings none gives its place back. */
  readonly slow?: SlowOptions;
}

/** While the backend is away, one attempt is made after each pause; they double up to the longest. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 15_000;
/** So often a backend that is up is believed to be away. */
const PAUSES_BELIEVED = 2;
const SUSPECTS_MAX = 1_000;
/** So many pins in a row that have no room: the next one would be sent in vain, too. */
const FULL_IN_A_ROW = 3;
/** Resting pins that are woken by one write. */
const WAKE_MAX = 500;
/** A timer may be far off: a clock that was set back must not stop the queue for hours. */
const LOOK_MS_MAX = 60_000;

/**
 * Works on what the store says is to be done for one step. Knows nothing that the store does not: after a crash, what was under
 * way is simply due again.
 */
export class PinQueue {
  readonly #parts: PinQueueParts;
  readonly #options: PinQueueOptions;
  readonly #turns: PinTurns;
  readonly #rate: PinRate;
  readonly #slow: SlowAttempts | undefined;
  readonly #running = new Set<Promise<void>>();
  #cancelTimer: () => void = () => undefined;
  /** Pins for which the backend said that it is away, although it was up: the next time that is about them. */
  readonly #suspects = new Set<string>();
  /** Pauses in a row; while there is one, one attempt at a time is made. */
  #pauses = 0;
  #fullInARow = 0;
  #isPaused = false;
  #isWaking = false;
  #isOpen = false;
  #isFillDue = false;

  constructor(parts: PinQueueParts, options: PinQueueOptions) {
    const { step, workers, slow } = options;
    this.#parts = parts;
    this.#options = options;
    const wishesMax = Math.max(1, workers - Math.ceil(workers / 5));
    this.#turns = new PinTurns(parts.store, {
      step,
      wishesMax,
      laneMax: Math.max(1, Math.ceil(workers / 2)),
    });
    this.#rate = new PinRate(parts.clock, { perSecond: options.wishesPerSecondMax });
    const onSlow = (pin: QueuedPin): void => {
      this.#turns.setAside(pin);
      this.#fillSoon();
    };
    // A backend that hangs as a whole says nothing about any pin.
    const isRoomNeeded = (): boolean => parts.isBackendUp() && this.#turns.isWishWaiting(parts.busy);
    this.#slow = slow && new SlowAttempts({ ...parts, isRoomNeeded, onSlow }, slow);
  }

  start(): void {
    this.#isOpen = true;
    this.fill();
  }

  /**
   * There may be something new to do; of this source, if one is given. Calls of the same moment, before other work
   * goes on, are one.
   */
  fill(source?: PinSource): void {
    this.#turns.noteNews(source);
    this.#fillSoon();
  }

  #fillSoon(): void {
    if (this.#isFillDue) return;
    this.#isFillDue = true;
    queueMicrotask(() => {
      this.#isFillDue = false;
      this.#fillNow();
    });
  }

  #fillNow(): void {
    if (!this.#isOpen || this.#isPaused) return;
    const workers = this.#pauses > 0 ? 1 : this.#options.workers;
    let rateMs = 0;
    while (this.#turns.count < workers) {
      rateMs = this.#rate.waitMs;
      const pin = this.#turns.begin(this.#parts.busy, rateMs === 0);
      if (pin === undefined) break;
      this.#begin(pin);
    }
    if (this.#turns.count < workers) this.#lookAgain(rateMs);
  }

  /** What paused it is over, as somebody knows. */
  resume(): void {
    this.#pauses = 0;
    this.#isPaused = false;
    this.fill();
  }

  /** Begins nothing more and settles when what is under way has ended: whoever calls aborts that. */
  async close(): Promise<void> {
    this.#isOpen = false;
    this.#cancelTimer();
    await Promise.all(this.#running);
  }

  #begin(pin: QueuedPin): void {
    const key = pinKeyOf(pin.root);
    const controller = new AbortController();
    this.#parts.busy.set(key, controller);
    if (isWish(pin.lane.source)) {
      this.#rate.take();
      this.#slow?.watch(pin, controller);
    }
    const run = this.#attempt(pin, controller.signal).then(({ outcome, isNoted }) => {
      this.#parts.busy.delete(key);
      this.#turns.end(pin);
      this.#slow?.end(pin);
      this.#running.delete(run);
      this.#parts.onEnd(pin, outcome, isNoted);
      this.#fillSoon();
    });
    this.#running.add(run);
  }

  /** Never throws. */
  async #attempt(
    pin: QueuedPin,
    signal: AbortSignal,
  ): Promise<{ readonly outcome: PinOutcome | undefined; readonly isNoted: boolean }> {
    const { store, logger } = this.#parts;
    const outcomes = await this.#outcomesOf(pin, signal);
    const [outcome] = outcomes;
    if (outcome === undefined) return { outcome, isNoted: false };
    try {
      const noted = outcomes.map((one) => ({ root: pin.root, outcome: one }));
      const [isNoted = false] = await store.settle(noted);
      return { outcome, isNoted };
    } catch (err) {
      // The store takes no writes: the pin stays due, and is tried again when it may take them.
      logger.warn({ err, cid: pin.root.toString() }, "the outcome of a pin could not be stored");
      this.#pause();
      return { outcome, isNoted: false };
    }
  }

  /** None when nothing is to be noted: it was called off, or the backend is away. Never throws. */
  async #outcomesOf(pin: QueuedPin, signal: AbortSignal): Promise<readonly PinOutcome[]> {
    const { attempt, clock, random, logger, isBackendUp } = this.#parts;
    const key = pinKeyOf(pin.root);
    try {
      const onBlocks = (blocks: number): void => this.#slow?.note(pin, blocks);
      const outcomes = await attempt(pin, { signal, onBlocks });
      this.#pauses = 0;
      this.#fullInARow = 0;
      this.#suspects.delete(key);
      return outcomes;
    } catch (thrown) {
      const err: unknown = signal.aborted ? signal.reason : thrown;
      if (signal.aborted && !isHoldfastError(err)) return [];
      const isItsOwn = isBackendUp() && (this.#pauses >= PAUSES_BELIEVED || this.#suspects.has(key));
      const facts: FailureParts = { nowMs: clock.nowMs(), random: random(), isItsOwn };
      const failure = failureOf(err, pin, this.#options.retry, facts);
      logger.debug({ err, cid: pin.root.toString(), step: pin.step }, "an attempt at a pin failed");
      const { outcome, backendIs } = failure;
      if (outcome !== undefined) this.#noteFull(backendIs === "full");
      else this.#suspect(key);
      return outcome === undefined ? [] : [outcome];
    }
  }

  /** An attempt has failed: only that others may find room ends the pauses. */
  #noteFull(isFull: boolean): void {
    this.#fullInARow = isFull ? this.#fullInARow + 1 : 0;
    // Those that were under way together fail together.
    if (this.#isPaused) return;
    // The pauses do not double: each is for another pin, and the next one may be small enough.
    this.#pauses = 0;
    if (this.#fullInARow >= FULL_IN_A_ROW) this.#pause();
  }

  #suspect(key: string): void {
    if (this.#suspects.size >= SUSPECTS_MAX) this.#suspects.clear();
    this.#suspects.add(key);
    this.#pause();
  }

  #pause(): void {
    // Those that were under way together fail together: that is one pause.
    if (this.#isPaused) return;
    this.#isPaused = true;
    const longMs = Math.min(PAUSE_MS * 2 ** this.#pauses, PAUSE_MS_MAX);
    this.#pauses += 1;
    this.#setTimer(longMs * (0.75 + this.#parts.random() / 2), () => {
      this.#isPaused = false;
      this.fill();
    });
  }

  /** Nothing can begin now: comes back when the rate allows the next one, or a resting pin's time has come. */
  #lookAgain(rateMs: number): void {
    const { store, clock } = this.#parts;
    const wakeAtMs = store.nextWakeAtMs();
    const restMs = wakeAtMs === undefined ? LOOK_MS_MAX : wakeAtMs - clock.nowMs();
    if (restMs <= 0) void this.#wake();
    const delayMs = Math.min(...[rateMs, restMs].filter((ms) => ms > 0), LOOK_MS_MAX);
    // That time has passed for the rate is no news.
    this.#setTimer(delayMs, () => (rateMs > 0 ? this.#fillSoon() : this.fill()));
  }

  async #wake(): Promise<void> {
    if (this.#isWaking) return;
    this.#isWaking = true;
    try {
      await this.#parts.store.wake(this.#parts.clock.nowMs(), WAKE_MAX);
    } catch (err) {
      this.#parts.logger.warn({ err }, "resting pins could not be woken");
      this.#pause();
    } finally {
      this.#isWaking = false;
    }
    this.#parts.onWoken();
  }

  #setTimer(delayMs: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#parts.timers.after(delayMs, callback);
  }
}
