import type { Clock, Timers } from "../../telemetry/clock.ts";

/** Lets events through at a rate, and only so many at once. */
export class EventRate {
  readonly #clock: Clock & Timers;
  readonly #options: { readonly perSecond: number; readonly atOnce: number };
  #underWay = 0;
  #leave: (() => void) | undefined;
  /** When the next event may go, if each of those before had its share of time. */
  #nextAtMs = 0;

  constructor(clock: Clock & Timers, options: { readonly perSecond: number; readonly atOnce: number }) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Undefined when there is room now. One caller at a time. */
  wait(): Promise<void> | undefined {
    const nowMs = this.#clock.nowMs();
    const { perSecond, atOnce } = this.#options;
    // After a pause a tenth of a second's events may come at once. A clock that was set back starts anew.
    if (this.#nextAtMs < nowMs - 100 || this.#nextAtMs > nowMs + 1_000) this.#nextAtMs = nowMs - 100;
    this.#nextAtMs += 1_000 / perSecond;
    const waitMs = this.#nextAtMs - nowMs;
    if (waitMs <= 0 && this.#underWay < atOnce) return undefined;
    return this.#waitFor(Math.max(0, waitMs));
  }

  /** Counts one as under way until it settles, which it must without rejecting. */
  track(event: Promise<unknown>): void {
    this.#underWay++;
    void event.then(() => {
      this.#underWay--;
      this.#leave?.();
    });
  }

  async #waitFor(waitMs: number): Promise<void> {
    if (waitMs > 0) await new Promise<void>((resolve) => void this.#clock.after(waitMs, resolve));
    while (this.#underWay >= this.#options.atOnce)
      await new Promise<void>((resolve) => (this.#leave = resolve));
  }
}
