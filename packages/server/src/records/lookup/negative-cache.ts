import type { IpnsName } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import type { Clock } from "../../telemetry/clock.ts";

/** Names that the network did not know a moment ago. Short on purpose: a long one hides a name that was just published. */
export class NegativeCache {
  readonly #untilMs: LRUCache<string, number>;
  readonly #clock: Clock;
  readonly #ttlMs: number;

  constructor(clock: Clock, options: { readonly ttlMs: number; readonly entriesMax: number }) {
    this.#clock = clock;
    this.#ttlMs = options.ttlMs;
    this.#untilMs = new LRUCache({ max: options.entriesMax });
  }

  has(name: IpnsName): boolean {
    const untilMs = this.#untilMs.get(name.text);
    if (untilMs === undefined) return false;
    if (this.#clock.nowMs() < untilMs) return true;
    this.#untilMs.delete(name.text);
    return false;
  }

  /** Whether the entry is past its half: a name that is asked for again and again should not stay absent until its end. */
  isAgeing(name: IpnsName): boolean {
    const untilMs = this.#untilMs.get(name.text);
    return untilMs !== undefined && this.#clock.nowMs() >= untilMs - this.#ttlMs / 2;
  }

  add(name: IpnsName): void {
    this.#untilMs.set(name.text, this.#clock.nowMs() + this.#ttlMs);
  }

  /** Any put of a name ends its absence. */
  delete(name: IpnsName): void {
    this.#untilMs.delete(name.text);
  }
}
