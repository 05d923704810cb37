import { type IpnsName, isHoldfastError, type ValidatedRecord } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { dueAfterFailure, PRESSING_MS, timesAfterConfirmation } from "./keep-alive-times.ts";
import { NamesDue } from "./names-due.ts";
import { orAbort } from "../or-abort.ts";
import type { CurrentPut, Lane, Propagations } from "./propagations.ts";
import type { PutOutcomes } from "./put-outcomes.ts";
import { PutPace, type PutPaceOptions } from "./put-pace.ts";
import type { RecordRouter } from "../lookup/record-router.ts";

export interface TargetPutsParts {
  readonly router: RecordRouter;
  readonly propagations: Pick<Propagations, "due" | "pressing" | "firstDueAtMs" | "current">;
  readonly outcomes: PutOutcomes;
  /** Names that somebody wants put anew although they are not due; undefined when there are none left. */
  readonly nextOfPass: (target: string) => PassItem | undefined;
  /** Lookups that clients wait for at this moment: the pass makes way for them. */
  readonly lookupsInFlight: () => number;
  readonly onConfirmed: (target: string, name: IpnsName, version: number) => void;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface TargetPutsOptions extends PutPaceOptions {
  readonly putTimeoutMs: number;
}

/** One name of a pass over all names. */
export interface PassItem {
  readonly name: IpnsName;
  /** Confirmed since then: it need not be put again. */
  readonly sinceMs: number;
  readonly settle: (result: PassResult) => void;
}

/** `unavailable`: the target could not be reached, which says nothing about the name. */
export type PassResult = "confirmed" | "failed" | "skipped" | "unavailable";

type Source = Lane | "wanted" | "pass";

interface Put {
  readonly record: ValidatedRecord;
  readonly row: CurrentPut;
  readonly item: PassItem | undefined;
}

/**
 * What comes first, by turns: clients' records; then what would go dark; but each lane gets a fourth of the puts when it has any,
 * so that neither a flood of new records lets the others go dark, nor records that always fail hold up the rest.
 */
const TURNS: readonly (readonly Source[])[] = [
  ["wanted", "new", "kept", "retry", "pass"],
  ["wanted", "new", "kept", "retry", "pass"],
  ["wanted", "kept", "new", "retry", "pass"],
  ["wanted", "retry", "new", "kept", "pass"],
];

/** The pass keeps so much of the limit, however many lookups are under way. */
const PASS_SHARE_MIN = 1 / 4;
/** Names looked at in one go, before others have their turn on this thread. */
const LOOKS_MAX = 256;
/** How soon it is looked whether lookups have made room. */
const LOOKUPS_LOOK_MS = 250;
const PROBLEM_LENGTH_MAX = 200;

/**
 * Puts to one target what is due there, as fast as the target bears. Holds a few hundred names in memory, whatever the number of names.
 *
 * Only the current record of a name is put, as it is, never past its EOL (R13), and never twice at once. A record that fails waits for
 * its next attempt and holds up nobody (P2).
 */
export class TargetPuts {
  readonly target: string;
  readonly #parts: TargetPutsParts;
  readonly #options: TargetPutsOptions;
  readonly #pace: PutPace;
  readonly #due: NamesDue;
  readonly #running = new Set<string>();
  readonly #wanted = new Map<string, IpnsName>();
  readonly #puts = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #turn = 0;
  #wake: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(parts: TargetPutsParts, options: TargetPutsOptions) {
    this.target = parts.router.label;
    this.#parts = parts;
    this.#options = options;
    this.#pace = new PutPace(options, parts.random);
    this.#due = new NamesDue(this.target, {
      ...parts,
      isBusy: (name) => this.#isBusy(name),
      busyMax: () => this.#running.size + parts.outcomes.size,
    });
  }

  get running(): number {
    return this.#running.size;
  }

  get limit(): number {
    return this.#pace.limit;
  }

  get pausedUntilMs(): number {
    return this.#pace.pausedUntilMs;
  }

  /** A record was stored that is due at once. Costs nothing much: many of them come a second. */
  noteStored(): void {
    this.#wakeAt(this.#due.noteStored());
  }

  /** Somebody waits for this name: it comes first. */
  want(name: IpnsName): void {
    this.#wanted.set(name.text, name);
    this.pump();
  }

  /** Nobody waits for this name any more. */
  unwant(name: IpnsName): void {
    this.#wanted.delete(name.text);
  }

  /** Starts what may start. Called whenever something has changed; never throws. */
  pump(): void {
    if (this.#closing.signal.aborted) return;
    try {
      for (let looks = 0; this.#mayStart(); looks++) {
        if (looks === LOOKS_MAX) {
          this.#wakeAt(this.#parts.clock.nowMs() + 1);
          return;
        }
        if (!this.#startNext()) break;
      }
      this.#scheduleWake();
    } catch (err) {
      this.#parts.logger.error({ err, target: this.target }, "records due could not be read");
      this.#wakeAt(this.#parts.clock.nowMs() + this.#options.pauseMs);
    }
  }

  /** Ends the puts under way. What came of them before is among the outcomes. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake?.cancel();
    await Promise.all(this.#puts);
  }

  #mayStart(): boolean {
    const { clock, outcomes } = this.#parts;
    return (
      this.#running.size < this.#pace.limit && clock.nowMs() >= this.#pace.pausedUntilMs && !outcomes.isFull
    );
  }

  /** @returns false when there is nothing to be put now. */
  #startNext(): boolean {
    const order = TURNS[this.#turn % TURNS.length] ?? [];
    const sources = this.#hasRoomForPass() ? order : order.filter((s) => s !== "kept" && s !== "pass");
    for (const source of sources) {
      const candidate = this.#candidate(source);
      if (candidate === undefined) continue;
      const put = this.#putOf(candidate, source);
      if (put !== undefined) {
        this.#turn++;
        this.#start(put);
      }
      return true;
    }
    return false;
  }

  #hasRoomForPass(): boolean {
    const { limit } = this.#pace;
    const left = limit - this.#parts.lookupsInFlight();
    return this.#running.size < Math.max(Math.ceil(limit * PASS_SHARE_MIN), left);
  }

  #candidate(source: Source): { readonly name: IpnsName; readonly item?: PassItem } | undefined {
    if (source === "pass") {
      const item = this.#parts.nextOfPass(this.target);
      return item === undefined ? undefined : { name: item.name, item };
    }
    if (source !== "wanted") {
      const name = this.#due.next(source);
      return name === undefined ? undefined : { name };
    }
    for (const name of this.#wanted.values()) {
      if (this.#isBusy(name)) continue;
      this.#wanted.delete(name.text);
      return { name };
    }
    return undefined;
  }

  /** Reads the name's record at the last moment: it may have been put, replaced or have expired since it was found to be due. */
  #putOf(
    { name, item }: { readonly name: IpnsName; readonly item?: PassItem },
    source: Source,
  ): Put | undefined {
    const row = this.#isBusy(name) ? undefined : this.#parts.propagations.current(this.target, name);
    const nowMs = this.#parts.clock.nowMs();
    const record = row?.record;
    if (row !== undefined && (record === undefined || nowMs > record.eolMs)) this.#drop(name, row.version);
    else if (row !== undefined && record !== undefined && isToBePut(row, source, nowMs, item)) {
      return { record, row, item };
    }
    item?.settle("skipped");
    return undefined;
  }

  #drop(name: IpnsName, version: number): void {
    this.#parts.metrics.propagation.expired++;
    this.#parts.outcomes.add({ name, target: this.target, version, result: { kind: "dropped" } });
  }

  #start(put: Put): void {
    const { name } = put.record;
    this.#running.add(name.text);
    const done = this.#put(put).finally(() => {
      this.#running.delete(name.text);
      this.#puts.delete(done);
      this.pump();
    });
    this.#puts.add(done);
  }

  async #put({ record, row, item }: Put): Promise<void> {
    const { clock, outcomes, metrics, random, onConfirmed } = this.#parts;
    const { name, eolMs } = record;
    const startedAtMs = clock.nowMs();
    const result = await this.#ask(record);
    if (this.#closing.signal.aborted && result !== "confirmed") return;
    const nowMs = clock.nowMs();
    const outcome = { name, target: this.target, version: row.version };
    if (result === "confirmed") {
      this.#pace.succeeded(nowMs - startedAtMs);
      metrics.propagation.confirmed++;
      const times = timesAfterConfirmation(nowMs, eolMs, random());
      outcomes.add({ ...outcome, result: { kind: "confirmed", atMs: nowMs, ...times } });
      item?.settle("confirmed");
      onConfirmed(this.target, name, row.version);
      return;
    }
    item?.settle(result === "unavailable" ? "unavailable" : "failed");
    if (result === "unavailable") {
      // The row is as it was, and is found again.
      metrics.propagation.unavailable++;
      this.#pace.unavailable(nowMs);
      this.#due.lookAgain();
      return;
    }
    metrics.propagation.failed++;
    this.#pace.failed(nowMs);
    const facts = { attempts: row.attempts + 1, eolMs, random: random() };
    const dueAtMs = dueAfterFailure(nowMs, facts);
    this.#due.noteRetry(dueAtMs);
    outcomes.add({ ...outcome, result: { kind: "failed", dueAtMs, problem: result.problem } });
  }

  async #ask(record: ValidatedRecord): Promise<"confirmed" | "unavailable" | { readonly problem: string }> {
    const { router, clock, timers, logger } = this.#parts;
    const tooLate = new AbortController();
    const msMax = Math.min(this.#options.putTimeoutMs, record.eolMs + 1 - clock.nowMs());
    const cancel = timers.after(msMax, () => {
      tooLate.abort(new Error("no confirmation in time"));
    });
    const signal = AbortSignal.any([tooLate.signal, this.#closing.signal]);
    try {
      const { confirmedPeers } = await orAbort(router.put(record.name, record.bytes, { signal }), signal);
      return confirmedPeers > 0 ? "confirmed" : { problem: "no peer confirmed it" };
    } catch (err) {
      logger.debug({ err, name: record.name.text, target: this.target }, "put failed");
      if (isHoldfastError(err) && err.code === "BACKEND_UNAVAILABLE") return "unavailable";
      return { problem: problemOf(err) };
    } finally {
      cancel();
    }
  }

  #isBusy(name: IpnsName): boolean {
    return this.#running.has(name.text) || this.#parts.outcomes.get(this.target, name) !== undefined;
  }

  #scheduleWake(): void {
    const { pausedUntilMs } = this.#pace;
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs < pausedUntilMs) this.#wakeAt(pausedUntilMs);
    // Otherwise the end of a put, or of a write, is what is waited for.
    else if (this.#running.size >= this.#pace.limit || this.#parts.outcomes.isFull) return;
    else this.#wakeAt(this.#hasRoomForPass() ? this.#due.nextLookAtMs : nowMs + LOOKUPS_LOOK_MS);
  }

  #wakeAt(atMs: number): void {
    if (this.#closing.signal.aborted) return;
    if (this.#wake !== undefined && this.#wake.atMs <= atMs) return;
    this.#wake?.cancel();
    const delayMs = Math.max(1, atMs - this.#parts.clock.nowMs());
    const cancel = this.#parts.timers.after(delayMs, () => {
      this.#wake = undefined;
      this.pump();
    });
    this.#wake = { atMs, cancel };
  }
}

function isToBePut(row: CurrentPut, source: Source, nowMs: number, item: PassItem | undefined): boolean {
  if (source === "wanted") return !row.isCurrentConfirmed;
  if (item !== undefined) return (row.confirmedAtMs ?? -1) < item.sinceMs || !row.isCurrentConfirmed;
  return row.dueAtMs <= nowMs || (row.darkAtMs ?? Number.POSITIVE_INFINITY) <= nowMs + PRESSING_MS;
}

function problemOf(err: unknown): string {
  const message = err instanceof Error ? err.message : String(err);
  const code = isHoldfastError(err) ? `${err.code}: ` : "";
  return `${code}${message}`.slice(0, PROBLEM_LENGTH_MAX);
}
