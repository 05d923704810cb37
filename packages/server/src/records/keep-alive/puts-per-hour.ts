const MINUTE_MS = 60_000;
const MINUTES = 60;

/** Counts what happened in the last hour, to the minute. */
export class PutsPerHour {
  readonly #counts = Array.from({ length: MINUTES }, () => 0);
  #minute: number | undefined;

  add(nowMs: number): void {
    this.#turnTo(nowMs);
    const slot = Math.floor(nowMs / MINUTE_MS) % MINUTES;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
  }

  count(nowMs: number): number {
    this.#turnTo(nowMs);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Empties the minutes that have passed since the last call. */
  #turnTo(nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    const from = Math.max(this.#minute ?? minute, minute - MINUTES);
    for (let m = from + 1; m <= minute; m++) this.#counts[m % MINUTES] = 0;
    this.#minute = minute;
  }
}
