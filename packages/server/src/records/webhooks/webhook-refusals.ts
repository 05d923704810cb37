interface Refusal {
  readonly times: number;
  readonly restsUntilMs: number;
}

export interface RefusalOptions {
  /** How long a refused delivery rests; doubled each time, up to the largest. */
  readonly firstRestMs: number;
  readonly restMsMax: number;
}

/** Further ones are forgotten, oldest first, which only makes them be tried sooner. */
const REFUSALS_MAX = 1_000;

/** The deliveries that a working endpoint does not want, each at rest for longer and longer while the others go on. */
export class WebhookRefusals {
  readonly #options: RefusalOptions;
  readonly #byChange = new Map<number, Refusal>();

  constructor(options: RefusalOptions) {
    this.#options = options;
  }

  note(change: number, nowMs: number): void {
    const times = (this.#byChange.get(change)?.times ?? 0) + 1;
    const { firstRestMs, restMsMax } = this.#options;
    const restMs = Math.min(firstRestMs * 2 ** (times - 1), restMsMax);
    this.#byChange.delete(change);
    this.#byChange.set(change, { times, restsUntilMs: nowMs + restMs });
    const [oldest] = this.#byChange.keys();
    if (this.#byChange.size > REFUSALS_MAX && oldest !== undefined) this.#byChange.delete(oldest);
  }

  forget(change: number): void {
    this.#byChange.delete(change);
  }

  isAtRest(change: number, nowMs: number): boolean {
    return (this.#byChange.get(change)?.restsUntilMs ?? 0) > nowMs;
  }

  /** When the next one may be tried again; undefined when none is at rest. */
  nextAtMs(nowMs: number): number | undefined {
    let nextAtMs: number | undefined;
    for (const { restsUntilMs } of this.#byChange.values()) {
      if (restsUntilMs > nowMs && restsUntilMs < (nextAtMs ?? Infinity)) nextAtMs = restsUntilMs;
    }
    return nextAtMs;
  }
}
