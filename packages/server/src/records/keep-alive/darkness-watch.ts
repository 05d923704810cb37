import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Darkness, Propagations } from "./propagations.ts";

interface Parts {
  readonly propagations: Pick<Propagations, "darkness">;
  readonly targets: readonly string[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface DarknessWatchOptions {
  /** A name that will be forgotten within so long is at risk. */
  readonly riskMs: number;
  readonly watchEveryMs: number;
}

/** Names are counted up to here: past it the number says "at least". */
export const COUNTED_NAMES_MAX = 100_000;

/**
 * Looks every minute whether names are about to be forgotten by a target, and says so in the log: once when it begins and once when
 * it is over, not for each record.
 */
export class DarknessWatch {
  readonly #parts: Parts;
  readonly #options: DarknessWatchOptions;
  readonly #known = new Map<string, Darkness>();
  readonly #alerting = new Set<string>();
  #cancel: (() => void) | undefined;

  constructor(parts: Parts, options: DarknessWatchOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  start(): void {
    this.#look();
    this.#cancel = this.#parts.timers.after(this.#options.watchEveryMs, () => {
      this.start();
    });
  }

  /** As of the last look. */
  of(target: string): Darkness | undefined {
    return this.#known.get(target);
  }

  get isAlerting(): boolean {
    return this.#alerting.size > 0;
  }

  close(): void {
    this.#cancel?.();
  }

  #look(): void {
    const { propagations, targets, clock, logger } = this.#parts;
    const { riskMs } = this.#options;
    for (const target of targets) {
      try {
        const facts = { nowMs: clock.nowMs(), riskMs, namesMax: COUNTED_NAMES_MAX };
        const darkness = propagations.darkness(target, facts);
        this.#known.set(target, darkness);
        this.#tell(target, darkness);
      } catch (err) {
        logger.error({ err, target }, "names at risk could not be counted");
      }
    }
  }

  #tell(target: string, { darkNames, atRiskNames }: Darkness): void {
    const isAtRisk = darkNames + atRiskNames > 0;
    if (isAtRisk === this.#alerting.has(target)) return;
    const { logger, metrics } = this.#parts;
    if (isAtRisk) {
      this.#alerting.add(target);
      metrics.propagation.alerts++;
      logger.warn({ target, darkNames, atRiskNames }, "names are about to be forgotten by a network");
    } else {
      this.#alerting.delete(target);
      logger.info({ target }, "no name is about to be forgotten any more");
    }
  }
}
