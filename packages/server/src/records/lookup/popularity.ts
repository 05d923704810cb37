import type { IpnsName } from "@holdfast/core";
import type { Clock } from "../../telemetry/clock.ts";

export interface PopularityOptions {
  /** One read in so many is counted, drawn at random; a power of two. */
  readonly sampleOneIn: number;
  /** Counts halve this often. */
  readonly halfLifeMs: number;
  /** A name with so many reads counted is popular. */
  readonly samplesMin: number;
  readonly namesMax: number;
}

interface Reads {
  readonly name: IpnsName;
  count: number;
}

/**
 * Which names are read again and again: a decaying count of a sample of the reads. It is called on the path that answers warm
 * records, so the usual call is a multiplication and a comparison, and no clock is read.
 */
export class Popularity {
  readonly #clock: Clock;
  readonly #options: PopularityOptions;
  readonly #threshold: number;
  readonly #reads = new Map<string, Reads>();
  #lot: number;
  #decayedAtMs: number;

  constructor(
    { clock, random }: { readonly clock: Clock; readonly random: () => number },
    options: PopularityOptions,
  ) {
    this.#clock = clock;
    this.#options = options;
    this.#threshold = 2 ** 32 / options.sampleOneIn;
    this.#lot = Math.floor(random() * 2 ** 32) | 0;
    this.#decayedAtMs = clock.nowMs();
  }

  note(name: IpnsName): void {
    // A linear congruential generator: its upper bits, which are compared, are random enough for a sample.
    this.#lot = (Math.imul(this.#lot, 1_664_525) + 1_013_904_223) | 0;
    if (this.#lot >>> 0 >= this.#threshold) return;
    const reads = this.#reads.get(name.text);
    if (reads !== undefined) reads.count++;
    // When it is full, there is room again after the next halving, which drops the names that were read once.
    else if (this.#reads.size < this.#options.namesMax) this.#reads.set(name.text, { name, count: 1 });
  }

  /** The names that are popular now. Halves the counts when it is time: to be called regularly. */
  names(): readonly IpnsName[] {
    const { halfLifeMs, samplesMin } = this.#options;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#decayedAtMs >= halfLifeMs) {
      const halvings = Math.min(31, Math.floor((nowMs - this.#decayedAtMs) / halfLifeMs));
      this.#decayedAtMs += halvings * halfLifeMs;
      for (const [text, reads] of this.#reads) {
        reads.count >>>= halvings;
        if (reads.count === 0) this.#reads.delete(text);
      }
    }
    return [...this.#reads.values()].flatMap(({ name, count }) => (count >= samplesMin ? [name] : []));
  }
}
