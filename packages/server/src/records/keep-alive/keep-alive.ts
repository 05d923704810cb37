import type { IpnsName } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { Arrivals, type Reached } from "./arrivals.ts";
import { DarknessWatch, type DarknessWatchOptions } from "./darkness-watch.ts";
import { type KeepAliveStatus, propagationStatusOf, statusOf } from "./keep-alive-status.ts";
import type { PropagationStatus, PropagationStatusSource } from "./propagation-status.ts";
import type { OperationStore, Propagations } from "./propagations.ts";
import { PutOutcomes, type PutOutcomesOptions } from "./put-outcomes.ts";
import { PutsPerHour } from "./puts-per-hour.ts";
import { Reannouncement, type ReannounceOperation } from "./reannouncement.ts";
import type { RecordRouter } from "../lookup/record-router.ts";
import { TargetPuts, type TargetPutsOptions } from "./target-puts.ts";

export interface KeepAliveParts {
  /** The targets, by their labels. None: everything waits until there are some. */
  readonly routers: readonly RecordRouter[];
  readonly propagations: Propagations & OperationStore;
  readonly countNames: () => number;
  /** Lookups that clients wait for: the pass makes way for them. */
  readonly lookupsInFlight: () => number;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface KeepAliveOptions extends TargetPutsOptions, PutOutcomesOptions, DarknessWatchOptions {
  /** Names for which rows are made or deleted in one step, and the pause between two. */
  readonly tendNamesMax: number;
  readonly tendPauseMs: number;
  readonly tendRetryMs: number;
  /** A pass over all names each so often; 0: none but those that are asked for. */
  readonly reannounceEveryMs: number;
  /** How likely each of these is to take place. */
  readonly reannounceProbability: number;
}

/**
 * Keeps every record that is held alive at every target until its EOL, without its key: puts what clients gave us until it has
 * arrived, and puts again what a target would forget, nearest deadline first, as fast as the target bears (R14).
 *
 * What is to be done is in the store, in the transaction that stored the record: a stop or a kill forgets nothing, and repeats at most
 * the puts that were under way or whose outcome was not written yet.
 *
 * @see docs/specs/freshness.md
 */
export class KeepAlive implements PropagationStatusSource {
  readonly #parts: KeepAliveParts;
  readonly #options: KeepAliveOptions;
  readonly #targets: readonly TargetPuts[];
  readonly #perHour = new Map<string, PutsPerHour>();
  readonly #outcomes: PutOutcomes;
  readonly #arrivals: Arrivals;
  readonly #watch: DarknessWatch;
  readonly #pass: Reannouncement;
  readonly #cancels = new Map<"tend" | "reannounce", () => void>();
  #isTending = true;
  #isClosed = false;

  constructor(parts: KeepAliveParts, options: KeepAliveOptions) {
    this.#parts = parts;
    this.#options = options;
    const targets = parts.routers.map(({ label }) => label);
    const onReady = (): void => {
      for (const puts of this.#targets) puts.pump();
    };
    this.#outcomes = new PutOutcomes({ ...parts, onWritten: onReady }, options);
    this.#watch = new DarknessWatch({ ...parts, targets }, options);
    this.#pass = new Reannouncement({ ...parts, targets, onReady });
    this.#targets = parts.routers.map((router) => this.#createPuts(router));
    this.#arrivals = new Arrivals({
      ...parts,
      targets,
      outcomes: this.#outcomes,
      want: (target, name) => this.#targets.find((puts) => puts.target === target)?.want(name),
      unwant: (target, name) => this.#targets.find((puts) => puts.target === target)?.unwant(name),
    });
  }

  /**
   * Settles when every record that is stored from now on is noted for its targets. Without targets nothing is changed: what is known
   * about them is good when they are back.
   *
   * @throws HoldfastError `STORE_FAILED`
   */
  async start(): Promise<void> {
    const { propagations, routers } = this.#parts;
    if (routers.length === 0) return;
    await propagations.setTargets(routers.map(({ label }) => label));
    this.#pass.resume();
    for (const puts of this.#targets) puts.pump();
    this.#watch.start();
    this.#tendLater(0);
    this.#reannounceLater();
  }

  /** A record was stored that is to be put at once. */
  noteStored(): void {
    for (const puts of this.#targets) puts.noteStored();
  }

  /** Where a name's record has arrived, waiting for the first place; see {@link Arrivals.waitFor}. */
  arrival(
    name: IpnsName,
    options: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<Reached> {
    return this.#arrivals.waitFor(name, options);
  }

  /** See {@link Arrivals.endWaits}. */
  endWaits(): void {
    this.#arrivals.endWaits();
  }

  propagationOf(name: IpnsName): PropagationStatus | undefined {
    const rows = this.#parts.propagations.of(name);
    return rows.length === 0 ? undefined : propagationStatusOf(rows);
  }

  status(): KeepAliveStatus {
    const { propagations, clock } = this.#parts;
    const targets = this.#targets.map((puts) => {
      const recordsPerHour = this.#perHour.get(puts.target)?.count(clock.nowMs()) ?? 0;
      return statusOf(puts, { propagations, watch: this.#watch, recordsPerHour, clock });
    });
    const nextDarkAtMs = Math.min(
      ...targets.map((target) => target.nextDarkAtMs ?? Number.POSITIVE_INFINITY),
    );
    return {
      targets,
      timeToDarkMs: Number.isFinite(nextDarkAtMs) ? Math.max(0, nextDarkAtMs - clock.nowMs()) : undefined,
      isAlerting: this.#watch.isAlerting,
      isTending: this.#isTending && targets.length > 0,
    };
  }

  /** Starts a pass over all names, or gives the one that is running. @throws HoldfastError `STORE_FAILED`, `OVERLOADED` */
  reannounce(): Promise<ReannounceOperation> {
    return this.#pass.start();
  }

  operation(id: string): ReannounceOperation | undefined {
    return this.#pass.get(id);
  }

  /** See {@link Reannouncement.cancel}. */
  cancelOperation(id: string): Promise<ReannounceOperation | undefined> {
    return this.#pass.cancel(id);
  }

  /** Ends the puts under way and writes down what came of the others. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const cancel of this.#cancels.values()) cancel();
    this.#watch.close();
    await Promise.all(this.#targets.map((puts) => puts.close()));
    await this.#pass.close();
    await this.#outcomes.close();
  }

  #createPuts(router: RecordRouter): TargetPuts {
    const perHour = new PutsPerHour();
    this.#perHour.set(router.label, perHour);
    return new TargetPuts(
      {
        ...this.#parts,
        router,
        outcomes: this.#outcomes,
        nextOfPass: (target) => this.#pass.next(target),
        onConfirmed: (target, name, version) => {
          perHour.add(this.#parts.clock.nowMs());
          this.#arrivals.noteConfirmed(target, name, version);
        },
      },
      this.#options,
    );
  }

  #tendLater(delayMs: number): void {
    if (this.#isClosed) return;
    const cancel = this.#parts.timers.after(delayMs, () => void this.#tend());
    this.#cancels.set("tend", cancel);
  }

  async #tend(): Promise<void> {
    const { propagations, clock, logger } = this.#parts;
    const { tendNamesMax: namesMax, tendPauseMs, tendRetryMs } = this.#options;
    try {
      this.#isTending = await propagations.tend({ nowMs: clock.nowMs(), namesMax });
      if (this.#isTending) this.#tendLater(tendPauseMs);
    } catch (err) {
      logger.warn({ err }, "targets of records could not be tended");
      this.#tendLater(tendRetryMs);
    }
  }

  #reannounceLater(): void {
    const { reannounceEveryMs, reannounceProbability } = this.#options;
    if (reannounceEveryMs === 0 || this.#isClosed) return;
    const { timers, random, logger } = this.#parts;
    const cancel = timers.after(reannounceEveryMs, () => {
      this.#reannounceLater();
      if (random() >= reannounceProbability) return;
      this.reannounce().catch((err: unknown) => {
        logger.warn({ err }, "the pass over all names could not be started");
      });
    });
    this.#cancels.set("reannounce", cancel);
  }
}
