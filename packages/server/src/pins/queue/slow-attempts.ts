import { HoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import { pinKeyOf } from "../pin-key.ts";
import type { QueuedPin } from "../pin-row.ts";

export interface SlowParts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whether a slow attempt may be ended for the sake of others. */
  readonly isRoomNeeded: () => boolean;
  /** This attempt has become slow: its place is free. */
  readonly onSlow: (pin: QueuedPin) => void;
}

export interface SlowOptions {
  /** An attempt that has brought no block for so long is slow, and stays it. */
  readonly quietMs: number;
  /** So many go on beside the places of the queue. */
  readonly slowMax: number;
}

interface Attempt {
  readonly pin: QueuedPin;
  readonly controller: AbortController;
  blocks: number;
  movedAtMs: number;
  cancelTimer: () => void;
}

/**
 * Attempts that bring nothing do not keep the places of those that would (R28): they go on in a bounded set of their own. While
 * that is full and others wait, one of it is ended: of the holder that has the most there, first one that never brought a block.
 */
export class SlowAttempts {
  readonly #parts: SlowParts;
  readonly #options: SlowOptions;
  /** All that are watched; those that are slow are in the other one, too. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #slow = new Set<Attempt>();

  constructor(parts: SlowParts, options: SlowOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @param controller is aborted with a HoldfastError `UPSTREAM_TIMEOUT` when the attempt has to make room. */
  watch(pin: QueuedPin, controller: AbortController): void {
    const movedAtMs = this.#parts.clock.nowMs();
    const attempt: Attempt = { pin, controller, blocks: 0, movedAtMs, cancelTimer: () => undefined };
    this.#attempts.set(pinKeyOf(pin.root), attempt);
    this.#lookAfter(attempt, this.#options.quietMs);
  }

  note({ root }: QueuedPin, blocks: number): void {
    const attempt = this.#attempts.get(pinKeyOf(root));
    if (attempt === undefined || blocks <= attempt.blocks) return;
    attempt.blocks = blocks;
    attempt.movedAtMs = this.#parts.clock.nowMs();
  }

  end({ root }: QueuedPin): void {
    const key = pinKeyOf(root);
    const attempt = this.#attempts.get(key);
    if (attempt === undefined) return;
    attempt.cancelTimer();
    this.#attempts.delete(key);
    if (!this.#slow.delete(attempt)) return;
    const next = [...this.#attempts.values()].find(
      (one) => !this.#slow.has(one) && this.#quietInMs(one) <= 0,
    );
    if (next !== undefined) this.#setAside(next);
  }

  #look(attempt: Attempt): void {
    const { quietMs, slowMax } = this.#options;
    const leftMs = this.#quietInMs(attempt);
    if (leftMs > 0) return this.#lookAfter(attempt, leftMs);
    if (this.#slow.size < slowMax) return this.#setAside(attempt);
    if (this.#parts.isRoomNeeded()) this.#endOneFor(attempt);
    // Whoever is ended is replaced at its end.
    this.#lookAfter(attempt, quietMs);
  }

  #setAside(attempt: Attempt): void {
    attempt.cancelTimer();
    this.#slow.add(attempt);
    this.#parts.onSlow(attempt.pin);
  }

  #endOneFor(newcomer: Attempt): void {
    const going = [...this.#slow].filter(({ controller }) => !controller.signal.aborted);
    const ofLane = ({ pin: { lane } }: Attempt): number =>
      [...going, newcomer].filter(
        ({ pin }) => pin.lane.source === lane.source && pin.lane.holder === lane.holder,
      ).length;
    const [last] = going.toSorted(
      (a, b) =>
        ofLane(b) - ofLane(a) || Math.min(a.blocks, 1) - Math.min(b.blocks, 1) || a.movedAtMs - b.movedAtMs,
    );
    const quietMs = last && this.#parts.clock.nowMs() - last.movedAtMs;
    const message = `no new block for ${Math.round((quietMs ?? 0) / 1000)} s, and others wait`;
    last?.controller.abort(new HoldfastError("UPSTREAM_TIMEOUT", message));
  }

  #quietInMs({ movedAtMs }: Attempt): number {
    return movedAtMs + this.#options.quietMs - this.#parts.clock.nowMs();
  }

  #lookAfter(attempt: Attempt, delayMs: number): void {
    attempt.cancelTimer = this.#parts.timers.after(delayMs, () => this.#look(attempt));
  }
}
