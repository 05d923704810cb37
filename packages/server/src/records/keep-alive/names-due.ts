import type { IpnsName } from "@holdfast/core";
import type { Clock } from "../../telemetry/clock.ts";
import { PRESSING_MS } from "./keep-alive-times.ts";
import { type Lane, LANES, type Propagations } from "./propagations.ts";

interface Parts {
  readonly propagations: Pick<Propagations, "due" | "pressing" | "firstDueAtMs">;
  /** A put of this name is under way, or its outcome is not written yet. */
  readonly isBusy: (name: IpnsName) => boolean;
  /** How many names are busy at most. */
  readonly busyMax: () => number;
  readonly clock: Clock;
}

interface Window {
  readonly names: IpnsName[];
  /** When the table is looked at again, once `names` is empty. */
  nextLookAtMs: number;
}

const WINDOW_NAMES = 128;
/** What would be forgotten within so long is put before what is forgotten already. */
const IMMINENT_MS = 3_600_000;
/** What is under way now may be due again after so long. */
const LOOK_AGAIN_MS = 1_000;
const LOOK_AGAIN_MS_MAX = 60_000;
/** Records that clients put come in crowds: they are looked for together. */
const NEW_DELAY_MS = 20;

/** The names that are due at one target, lane by lane, in the order in which they should be put; a window of each in memory. */
export class NamesDue {
  readonly #target: string;
  readonly #parts: Parts;
  readonly #windows: Record<Lane, Window>;

  constructor(target: string, parts: Parts) {
    this.#target = target;
    this.#parts = parts;
    const window = (): Window => ({ names: [], nextLookAtMs: 0 });
    this.#windows = { new: window(), retry: window(), kept: window() };
  }

  /** When there may be something due that was not before. */
  get nextLookAtMs(): number {
    return Math.min(...LANES.map((lane) => this.#windows[lane].nextLookAtMs));
  }

  /** @returns when it will be looked for what was stored. */
  noteStored(): number {
    const window = this.#windows.new;
    window.nextLookAtMs = Math.min(window.nextLookAtMs, this.#parts.clock.nowMs() + NEW_DELAY_MS);
    return window.nextLookAtMs;
  }

  noteRetry(dueAtMs: number): void {
    const window = this.#windows.retry;
    window.nextLookAtMs = Math.min(window.nextLookAtMs, dueAtMs);
  }

  lookAgain(): void {
    for (const lane of LANES) this.#windows[lane].nextLookAtMs = this.#parts.clock.nowMs();
  }

  /** The next name of a lane. It may have been settled since it was found to be due: its row says so. */
  next(lane: Lane): IpnsName | undefined {
    const window = this.#windows[lane];
    for (;;) {
      if (window.names.length === 0 && !this.#refill(lane, window)) return undefined;
      const name = window.names.pop();
      if (name === undefined || this.#parts.isBusy(name)) continue;
      return name;
    }
  }

  /** @returns whether there are names in the window now. */
  #refill(lane: Lane, window: Window): boolean {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs < window.nextLookAtMs) return false;
    // Those that are busy are still due by their rows, and come first.
    const limit = WINDOW_NAMES + this.#parts.busyMax();
    const found = this.#look(lane, { nowMs, limit });
    const free = found.filter((name) => !this.#parts.isBusy(name));
    // Taken from the end.
    window.names.push(...free.toReversed());
    if (found.length < limit) {
      window.nextLookAtMs = this.#whenToLook(lane, nowMs);
    }
    return free.length > 0;
  }

  /**
   * Of the names that are kept alive first those that are about to be forgotten, then those that are forgotten already (before
   * the others, or they would stay dark longer and save nobody), then the others by their deadlines, whatever the jitter made of
   * their turn.
   */
  #look(
    lane: Lane,
    { nowMs, limit }: { readonly nowMs: number; readonly limit: number },
  ): readonly IpnsName[] {
    const { propagations } = this.#parts;
    if (lane !== "kept") return propagations.due(this.#target, lane, { nowMs, limit });
    const ranges = [
      { afterMs: nowMs, untilMs: nowMs + IMMINENT_MS },
      { afterMs: -1, untilMs: nowMs },
      { afterMs: nowMs + IMMINENT_MS, untilMs: nowMs + PRESSING_MS },
    ];
    const found: IpnsName[] = [];
    for (const range of ranges) {
      if (found.length === limit) return found;
      found.push(...propagations.pressing(this.#target, { ...range, limit: limit - found.length }));
    }
    const known = new Set(found.map(({ text }) => text));
    const due = propagations.due(this.#target, lane, { nowMs, limit: limit - found.length });
    return [...found, ...due.filter(({ text }) => !known.has(text))];
  }

  #whenToLook(lane: Lane, nowMs: number): number {
    if (this.#parts.busyMax() > 0) return nowMs + LOOK_AGAIN_MS;
    const firstAtMs = this.#parts.propagations.firstDueAtMs(this.#target, lane) ?? Number.POSITIVE_INFINITY;
    return Math.min(Math.max(firstAtMs, nowMs + LOOK_AGAIN_MS), nowMs + LOOK_AGAIN_MS_MAX);
  }
}
