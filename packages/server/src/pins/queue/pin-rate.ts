import type { Clock } from "../../telemetry/clock.ts";

/** So many beginnings a second, evenly after a first second's worth. */
export class PinRate {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #left: number;
  #countedAtMs: number;

  constructor(clock: Clock, { perSecond }: { readonly perSecond: number }) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#countedAtMs = clock.nowMs();
  }

  take(): void {
    this.#left -= 1;
  }

  /** 0: one may begin now. */
  get waitMs(): number {
    const nowMs = this.#clock.nowMs();
    const gained = (Math.max(0, nowMs - this.#countedAtMs) * this.#perSecond) / 1000;
    this.#left = Math.min(this.#perSecond, this.#left + gained);
    this.#countedAtMs = nowMs;
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) * 1000) / this.#perSecond);
  }
}
