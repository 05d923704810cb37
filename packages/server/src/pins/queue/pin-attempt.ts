import { HoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { QueuedPin } from "../pin-row.ts";
import type { Pinner, PinProgress } from "../pinner.ts";

export interface AttemptParts {
  readonly pinner: Pinner;
  readonly clock: Clock;
  readonly timers: Timers;
}

export interface AttemptOptions {
  readonly signal: AbortSignal;
  /** Without another block for so long it is given up: wall time says nothing about a DAG of 100 GB. */
  readonly stallMs: number;
  /** What the pin may hold; undefined: anything. */
  readonly bytesMax: number | undefined;
  readonly onProgress: (progress: PinProgress) => void;
  /** As the backend calls it. */
  readonly onAbsent: () => void;
}

/**
 * One attempt to have a pin at the backend.
 *
 * @returns what the pin holds, as far as the backend tells.
 * @throws HoldfastError `UPSTREAM_TIMEOUT` when no block came for too long, `BODY_TOO_LARGE` when it holds too much, and as
 *   `Pinner.pin`.
 */
export async function attemptPin(
  { pinner, clock, timers }: AttemptParts,
  { root, recursive, name }: QueuedPin,
  { signal, stallMs, bytesMax, onProgress, onAbsent }: AttemptOptions,
): Promise<PinProgress> {
  const stopping = new AbortController();
  using watch = new StallWatch({ clock, timers }, stallMs, () => {
    const message = `no new block for ${Math.round(stallMs / 1000)} s`;
    stopping.abort(new HoldfastError("UPSTREAM_TIMEOUT", message));
  });
  const note = (progress: PinProgress): void => {
    watch.note(progress.blocks);
    if (isTooLarge(progress, bytesMax)) stopping.abort(tooLarge(bytesMax));
    onProgress(progress);
  };
  const both = AbortSignal.any([signal, stopping.signal]);
  let isOurs = false;
  const held = await pinner.pin(root, {
    recursive,
    name,
    signal: both,
    onProgress: note,
    onAbsent: () => {
      isOurs = true;
      onAbsent();
    },
  });
  if (!isTooLarge(held, bytesMax)) return held;
  // The backend tells its size only now, and pins it already.
  if (isOurs) await pinner.unpin(root, { signal });
  throw tooLarge(bytesMax);
}

function isTooLarge({ bytes }: PinProgress, bytesMax: number | undefined): boolean {
  return bytes !== undefined && bytesMax !== undefined && bytes > bytesMax;
}

function tooLarge(bytesMax: number | undefined): HoldfastError {
  return new HoldfastError("BODY_TOO_LARGE", `the content is larger than ${bytesMax} bytes`);
}

/** Calls back once when nothing was noted for too long. One timer at a time, whatever the number of blocks. */
class StallWatch implements Disposable {
  readonly #parts: Omit<AttemptParts, "pinner">;
  readonly #stallMs: number;
  readonly #onStall: () => void;
  #blocks = 0;
  #movedAtMs: number;
  #cancelTimer: () => void;

  constructor(parts: Omit<AttemptParts, "pinner">, stallMs: number, onStall: () => void) {
    this.#parts = parts;
    this.#stallMs = stallMs;
    this.#onStall = onStall;
    this.#movedAtMs = parts.clock.nowMs();
    this.#cancelTimer = parts.timers.after(stallMs, () => this.#look());
  }

  note(blocks: number): void {
    if (blocks <= this.#blocks) return;
    this.#blocks = blocks;
    this.#movedAtMs = this.#parts.clock.nowMs();
  }

  [Symbol.dispose](): void {
    this.#cancelTimer();
  }

  #look(): void {
    const leftMs = this.#movedAtMs + this.#stallMs - this.#parts.clock.nowMs();
    if (leftMs <= 0) this.#onStall();
    else this.#cancelTimer = this.#parts.timers.after(leftMs, () => this.#look());
  }
}
