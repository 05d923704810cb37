import type { Clock, Timers } from "../../src/telemetry/clock.ts";

interface Alarm {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once it is cancelled. */
  callback: (() => void) | undefined;
}

/**
 * A clock for simulations of days with millions of timers. It jumps from timer to timer, and does so only when everything that the last
 * one set off has come to rest, real writes of a real store included: `idle` says when.
 */
export class VirtualClock implements Clock, Timers {
  #nowMs: number;
  #order = 0;
  /** A binary heap, the earliest alarm first. */
  readonly #heap: Alarm[] = [];
  readonly #idle: () => Promise<void>;

  constructor(startMs: number, idle: () => Promise<void>) {
    this.#nowMs = startMs;
    this.#idle = idle;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const alarm: Alarm = {
      atMs: this.#nowMs + Math.ceil(Math.max(0, delayMs)),
      order: this.#order++,
      callback,
    };
    this.#push(alarm);
    return () => {
      alarm.callback = undefined;
    };
  }

  /** Moves time on until `byMs` have passed, or until `isOver` says so before. */
  async advance(byMs: number, isOver: () => boolean = () => false): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await this.#idle();
    while (!isOver()) {
      const alarm = this.#popBefore(endMs);
      if (alarm === undefined) {
        this.#nowMs = endMs;
        break;
      }
      if (alarm.callback === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, alarm.atMs);
      alarm.callback();
      await this.#idle();
    }
  }

  /** Moves time on at once, as when a machine has slept: all timers that fall into it are late, and then go off together. */
  async jump(byMs: number): Promise<void> {
    this.#nowMs += byMs;
    await this.advance(0);
  }

  /** Passes time in which nothing happens, because nobody is there: timers that fall into it are forgotten. */
  skip(byMs: number): void {
    this.#nowMs += byMs;
    this.#heap.length = 0;
  }

  #push(alarm: Alarm): void {
    const heap = this.#heap;
    let at = heap.push(alarm) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(alarm, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = alarm;
  }

  #popBefore(endMs: number): Alarm | undefined {
    const heap = this.#heap;
    const [first] = heap;
    if (first === undefined || first.atMs > endMs) return undefined;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      if (a === undefined) break;
      const child = b !== undefined && isBefore(b, a) ? b : a;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = child === a ? left : left + 1;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Alarm, b: Alarm): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
