import { parseIpnsName } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { PassCursor, type PassCounts } from "./pass-cursor.ts";
import type { Operation, OperationStore, Propagations } from "./propagations.ts";
import type { PassItem } from "./target-puts.ts";

interface Parts {
  readonly propagations: Pick<Propagations, "namesAfter"> & OperationStore;
  readonly targets: readonly string[];
  /** How many names have a record. */
  readonly countNames: () => number;
  readonly newId: () => string;
  /** Called when there is something to be put. */
  readonly onReady: () => void;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface ReannounceProgress {
  /** Names there were when it began. */
  readonly names: number;
  readonly targets: Readonly<Record<string, PassCounts & { readonly after: string | null }>>;
}

export type ReannounceOperation = Operation<ReannounceProgress>;

const KIND = "reannounce";
/** How often the progress is written down. */
const SAVE_MS = 5_000;

/**
 * A pass that puts all names to all targets again, whether they are due or not (R15: over all of them, by a cursor, behind the
 * answer). One at a time. It takes what clients and records that are due leave of each target's pace; a restart goes on with it.
 */
export class Reannouncement {
  readonly #parts: Parts;
  #operation: ReannounceOperation | undefined;
  #cursors = new Map<string, PassCursor>();
  #cancelSave: (() => void) | undefined;
  #saved: Promise<void> = Promise.resolve();
  /** Of the pass that is running: settles when it is written down that it does. */
  #begun: Promise<ReannounceOperation> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Goes on with what a stop or a kill interrupted. */
  resume(): void {
    const [running] = this.#parts.propagations.runningOperations(KIND) as readonly ReannounceOperation[];
    if (running === undefined) return;
    this.#begin(running);
    this.#begun = Promise.resolve(running);
    this.#parts.logger.info({ operation: running.id }, "goes on announcing all names again");
  }

  /**
   * Starts a pass, or gives the one that is running. Settles when it is written down.
   *
   * @throws HoldfastError `STORE_FAILED`, `OVERLOADED`: then none has begun.
   */
  async start(): Promise<ReannounceOperation> {
    if (this.#begun === undefined || this.#operation?.state !== "running") this.#begun = this.#beginNew();
    const operation = await this.#begun;
    return this.get(operation.id) ?? operation;
  }

  get(id: string): ReannounceOperation | undefined {
    if (this.#operation?.id === id) return this.#current(this.#operation);
    const stored = this.#parts.propagations.operation(id);
    return stored?.kind === KIND ? (stored as ReannounceOperation) : undefined;
  }

  /**
   * Puts under way end; no more are started. Undefined when there is no such operation.
   *
   * @throws HoldfastError `STORE_FAILED`, `OVERLOADED`: then it goes on, as it would after a restart.
   */
  async cancel(id: string): Promise<ReannounceOperation | undefined> {
    const running = this.#operation;
    if (running?.id !== id || running.state !== "running") return this.get(id);
    const ended = this.#noteEnd(running, "cancelled");
    try {
      await this.#parts.propagations.saveOperation(this.#current(ended));
    } catch (err) {
      if (this.#operation === ended) this.#operation = running;
      this.#parts.onReady();
      throw err;
    }
    return this.get(id);
  }

  /** The next name for this target. */
  next(target: string): PassItem | undefined {
    const operation = this.#operation;
    const cursor = this.#cursors.get(target);
    if (operation?.state !== "running" || cursor === undefined) return undefined;
    const name = cursor.next();
    if (name === undefined) {
      if (this.#isOver()) void this.#endDone();
      return undefined;
    }
    return {
      name,
      sinceMs: operation.startedAtMs,
      settle: (result) => {
        cursor.settle(name, result);
        if (result === "confirmed") this.#parts.metrics.propagation.reannounced++;
        if (this.#operation?.state === "running" && this.#isOver()) void this.#endDone();
        else this.#saveLater();
      },
    };
  }

  async close(): Promise<void> {
    this.#cancelSave?.();
    if (this.#operation?.state === "running") this.#save();
    await this.#saved;
  }

  async #beginNew(): Promise<ReannounceOperation> {
    const operation: ReannounceOperation = {
      id: this.#parts.newId(),
      kind: KIND,
      state: "running",
      startedAtMs: this.#parts.clock.nowMs(),
      endedAtMs: undefined,
      progress: { names: this.#parts.countNames(), targets: {} },
    };
    this.#begin(operation);
    try {
      await this.#parts.propagations.saveOperation(this.#current(operation));
    } catch (err) {
      // Whoever asked for it is told that it has not begun.
      this.#operation = undefined;
      this.#cursors = new Map();
      throw err;
    }
    this.#parts.metrics.propagation.reannouncements++;
    if (this.#isOver()) await this.#endDone();
    this.#parts.onReady();
    return operation;
  }

  #begin(operation: ReannounceOperation): void {
    const { propagations, targets } = this.#parts;
    this.#operation = operation;
    this.#cursors = new Map(
      targets.map((target) => {
        const known = operation.progress.targets[target];
        const after = typeof known?.after === "string" ? parseIpnsName(known.after) : undefined;
        return [target, new PassCursor(propagations, { after, counts: known })];
      }),
    );
  }

  #isOver(): boolean {
    return [...this.#cursors.values()].every((cursor) => cursor.isOver);
  }

  async #endDone(): Promise<void> {
    if (this.#operation === undefined) return;
    this.#noteEnd(this.#operation, "done");
    this.#save();
    await this.#saved;
  }

  #noteEnd(running: ReannounceOperation, state: "done" | "cancelled"): ReannounceOperation {
    const ended = { ...running, state, endedAtMs: this.#parts.clock.nowMs() };
    this.#operation = ended;
    this.#cancelSave?.();
    this.#cancelSave = undefined;
    return ended;
  }

  #current(operation: ReannounceOperation): ReannounceOperation {
    const targets = [...this.#cursors].map(([target, cursor]) => {
      return [target, { ...cursor.counts, after: cursor.settledTo?.text ?? null }] as const;
    });
    return {
      ...operation,
      progress: { names: operation.progress.names, targets: Object.fromEntries(targets) },
    };
  }

  #saveLater(): void {
    if (this.#operation?.state !== "running") return;
    this.#cancelSave ??= this.#parts.timers.after(SAVE_MS, () => {
      this.#cancelSave = undefined;
      this.#save();
    });
  }

  #save(): void {
    const operation = this.#operation;
    if (operation === undefined) return;
    this.#saved = this.#parts.propagations.saveOperation(this.#current(operation)).catch((err: unknown) => {
      // The next one says it all; after a kill the pass goes on from an earlier name and skips what is confirmed since.
      this.#parts.logger.warn({ err }, "progress of the pass could not be written");
    });
  }
}
