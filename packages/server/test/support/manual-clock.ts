import type { Clock, Timers } from "../../src/telemetry/clock.ts";

interface Alarm {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that a test moves by hand; due timers fire in the order of their instants while it moves. */
export class ManualClock implements Clock, Timers {
  #nowMs: number;
  readonly #alarms = new Set<Alarm>();

  constructor(startMs: number = Date.now()) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const alarm = { atMs: this.#nowMs + delayMs, callback };
    this.#alarms.add(alarm);
    return () => {
      this.#alarms.delete(alarm);
    };
  }

  /** Moves time on, stopping at each due timer and letting what it started run as far as it can without waiting. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const due = [...this.#alarms].filter((a) => a.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#alarms.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.callback();
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }
}

/** Lets every promise chain that needs no I/O run to its end. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}
