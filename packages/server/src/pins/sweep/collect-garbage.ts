import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { HeldBlock } from "../../content/block-store.ts";
import type { Vault } from "../../content/vault.ts";
import type { Clock } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { BlockCount, GarbageReport } from "./garbage-report.ts";
import type { Pin, PinState } from "../pin.ts";
import type { PinStore } from "../pin-store.ts";
import type { RecordRoots } from "./record-roots.ts";
import { type DagGap, SweepMarks } from "./sweep-marks.ts";
import { markPins } from "./sweep-pins.ts";

export interface GarbageCollectorParts {
  readonly pins: Pick<PinStore, "list">;
  readonly records: RecordRoots;
  readonly vault: Pick<Vault, "get" | "has" | "list" | "watch" | "isInUse" | "deleteUnused">;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "content">;
  readonly logger: Logger;
}

export interface GarbageCollectorOptions {
  /** Another repository keeps what is pinned: confirmed pins need not be complete in the vault. */
  readonly isStaging: boolean;
  /** How long a block stays that nobody pinned, from when it was put last. */
  readonly graceMs: number;
}

const SAMPLE_MAX = 20;
const GAPS_MAX = 20;
const BATCH_BLOCKS = 128;
/** Wishes and records that arrive while it runs; more than this in one run end it. */
const NOTED_MAX = 100_000;

/**
 * Deletes from the vault what nothing reaches: no pin, in whatever state, and no IPNS record, current or historical. Only when
 * somebody asks for it (R34), as a dry run unless asked otherwise (R32), and never when a DAG that must stay could not be
 * followed to its end (R33).
 */
export class GarbageCollector {
  readonly #parts: GarbageCollectorParts;
  readonly #options: GarbageCollectorOptions;
  #report: GarbageReport | undefined;
  #abort = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Roots that must stay and came too late to be marked with the others. */
  #noted: CID[] = [];

  constructor(parts: GarbageCollectorParts, options: GarbageCollectorOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Of the run under way, or else of the last one since the start of the process. */
  get report(): GarbageReport | undefined {
    return this.#report;
  }

  get isRunning(): boolean {
    return this.#report?.state === "running";
  }

  /** Begins a run, behind. False when one is under way. */
  start({ deletes }: { readonly deletes: boolean }): boolean {
    if (this.isRunning) return false;
    this.#abort = new AbortController();
    this.#noted = [];
    this.#report = freshReport(deletes, this.#parts.clock.nowMs());
    this.#running = this.#run(this.#abort.signal);
    return true;
  }

  cancel(): void {
    this.#abort.abort();
  }

  /** Cancels, and settles when nothing is done any more. */
  async close(): Promise<void> {
    this.cancel();
    await this.#running;
  }

  /** Settles with the run under way. */
  async ended(): Promise<GarbageReport | undefined> {
    await this.#running;
    return this.#report;
  }

  /**
   * To be told of every root that somebody wishes to stay, before and after that is committed, and of what a new record points
   * to: a run under way has perhaps looked at the others already. Costs nothing when there is none.
   */
  noteRoots(roots: readonly CID[]): void {
    if (this.isRunning && this.#noted.length <= NOTED_MAX) this.#noted.push(...roots);
  }

  /** Never rejects: the report says what happened. */
  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger, metrics } = this.#parts;
    try {
      await this.#collect(signal);
    } catch (err) {
      if (signal.aborted) this.#update({ state: "cancelled" });
      else {
        this.#update({ state: "failed", problem: isHoldfastError(err) ? err.message : "internal error" });
        logger.error({ err }, "the collection of garbage broke off");
      }
    }
    this.#update({ endedAtMs: clock.nowMs() });
    if (this.#report?.state === "refused") metrics.content.vaultSweepsRefused++;
    const { sample: _sample, gaps = [], ...facts } = this.#report ?? {};
    logger.info({ ...facts, gaps: gaps.length }, "the collection of garbage has ended");
  }

  async #collect(signal: AbortSignal): Promise<void> {
    const startedAtMs = this.#parts.clock.nowMs();
    // Before the first pin is read: what uploads put or find from here on stays.
    using _watch = this.#parts.vault.watch();
    const marks = new SweepMarks(this.#parts.vault, { signal });
    await this.#mark(marks, signal);
    if (this.#report?.state === "refused") return;
    this.#update({ phase: "sweeping" });
    await this.#sweep(marks, startedAtMs - this.#options.graceMs, signal);
    this.#update({ state: "done" });
  }

  async #mark(marks: SweepMarks, signal: AbortSignal): Promise<void> {
    const complete: readonly PinState[] = this.#options.isStaging
      ? ["stored"]
      : ["stored", "pinned", "provided"];
    const count = (): void => this.#count("pins", 1, marks);
    const gaps = await this.#markPins(complete, marks, { signal, onPin: count });
    if (gaps.length > 0) {
      const problem = "the DAG of a pin could not be followed to its end: nothing is deleted";
      this.#update({ state: "refused", gaps, problem });
      return;
    }
    // What is being fetched, was given up or is another's to keep has gaps; what is here of it stays. All are asked for once more:
    // one that was lost or is tried again while they are read would be in none of the states that are still to come.
    const onPin = ({ state }: Pin): void => void (complete.includes(state) || count());
    await this.#markPins("all", marks, { signal, onPin });
    for await (const roots of this.#parts.records.ipfsRoots({ signal })) await this.#markRoots(roots, marks);
  }

  async #markPins(
    states: readonly PinState[] | "all",
    marks: SweepMarks,
    options: { readonly signal: AbortSignal; readonly onPin: (pin: Pin) => void },
  ): Promise<readonly DagGap[]> {
    return markPins(this.#parts.pins, states, marks, { ...options, gapsMax: GAPS_MAX });
  }

  /** Of records, whose content was perhaps never here. */
  async #markRoots(roots: readonly CID[], marks: SweepMarks): Promise<void> {
    for (const root of roots) {
      await marks.mark({ root, recursive: true });
      this.#count("records", 1, marks);
    }
  }

  async #sweep(marks: SweepMarks, putBeforeMs: number, signal: AbortSignal): Promise<void> {
    let garbage: HeldBlock[] = [];
    for await (const page of this.#parts.vault.list({ signal })) {
      signal.throwIfAborted();
      this.#add("looked", page);
      const unreached = page.filter(({ cid }) => !marks.has(cid));
      this.#add(
        "recent",
        unreached.filter(({ putAtMs }) => putAtMs >= putBeforeMs),
      );
      garbage.push(...unreached.filter(({ putAtMs }) => putAtMs < putBeforeMs));
      if (garbage.length < BATCH_BLOCKS) continue;
      await this.#letGo(garbage, marks);
      garbage = [];
    }
    await this.#letGo(garbage, marks);
  }

  async #letGo(candidates: readonly HeldBlock[], marks: SweepMarks): Promise<void> {
    while (this.#noted.length > 0) await this.#markNoted(marks);
    const unreached = candidates.filter(({ cid }) => !marks.has(cid));
    const garbage = unreached.filter(({ cid }) => !this.#parts.vault.isInUse(cid));
    this.#add(
      "recent",
      unreached.filter(({ cid }) => this.#parts.vault.isInUse(cid)),
    );
    const { sample = [], deletes } = this.#report ?? {};
    this.#add("garbage", garbage);
    const more = garbage.slice(0, SAMPLE_MAX - sample.length).map(({ cid }) => cid.toString());
    this.#update({ sample: [...sample, ...more] });
    if (deletes !== true) return;
    // Nothing is awaited between the look at the marks and this.
    const deleted = new Set(await this.#parts.vault.deleteUnused(garbage.map(({ cid }) => cid)));
    const gone = garbage.filter(({ cid }) => deleted.has(cid));
    this.#add("deleted", gone);
    this.#parts.metrics.content.vaultBlocksCollected += gone.length;
  }

  async #markNoted(marks: SweepMarks): Promise<void> {
    if (this.#noted.length > NOTED_MAX) {
      throw new HoldfastError("OVERLOADED", "too much was pinned and published meanwhile");
    }
    for (let root = this.#noted.pop(); root !== undefined; root = this.#noted.pop()) {
      await marks.mark({ root, recursive: true });
    }
  }

  #update(change: Partial<GarbageReport>): void {
    if (this.#report !== undefined) this.#report = { ...this.#report, ...change };
  }

  #count(what: "pins" | "records", count: number, marks: SweepMarks): void {
    const { marked } = this.#report ?? {};
    if (marked !== undefined)
      this.#update({ marked: { ...marked, [what]: marked[what] + count, blocks: marks.size } });
  }

  #add(what: "looked" | "recent" | "garbage" | "deleted", blocks: readonly HeldBlock[]): void {
    const { blocks: count, bytes } = this.#report?.[what] ?? NOTHING;
    const more = blocks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#update({ [what]: { blocks: count + blocks.length, bytes: bytes + more } });
  }
}

const NOTHING: BlockCount = { blocks: 0, bytes: 0 };

function freshReport(deletes: boolean, startedAtMs: number): GarbageReport {
  return {
    state: "running",
    phase: "marking",
    deletes,
    startedAtMs,
    endedAtMs: undefined,
    marked: { pins: 0, records: 0, blocks: 0 },
    looked: NOTHING,
    recent: NOTHING,
    garbage: NOTHING,
    deleted: NOTHING,
    sample: [],
    gaps: [],
    problem: undefined,
  };
}
