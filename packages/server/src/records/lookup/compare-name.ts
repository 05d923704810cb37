import {
  decodeRecord,
  HoldfastError,
  type IpnsName,
  type IpnsRecord,
  recordProblemOf,
  selectRecord,
  validateRecord,
  type VerifySignature,
} from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { RecordRouter } from "./record-router.ts";
import type { StoredRecord } from "../record-store.ts";
import type { Records } from "../records.ts";

/** One record that somebody gave for the name. */
export interface ComparedRecord {
  /** Absent when the bytes are no record at all. Read, but not trusted, when there is a `problem`. */
  readonly record: IpnsRecord | undefined;
  /** Why it is not valid now, in words. */
  readonly problem: string | undefined;
  /** How many times it was given: a DHT asks many peers. */
  readonly times: number;
}

/** What one place says of the name. */
export interface ComparedSource {
  readonly kind: "memory" | "disk" | "router";
  readonly label: string;
  /** `silent`: it had not come to its end when the time was up. */
  readonly state: "answered" | "nothing" | "failed" | "silent";
  /** Until its first answer, or its end. */
  readonly latencyMs: number;
  /** Distinct, in the order in which they came. */
  readonly records: readonly ComparedRecord[];
  readonly error: string | undefined;
}

export interface NameComparison {
  readonly name: IpnsName;
  readonly atMs: number;
  readonly sources: readonly ComparedSource[];
  /** The best valid record of all. */
  readonly winner: IpnsRecord | undefined;
}

interface Parts {
  readonly records: Pick<Records, "copies">;
  readonly routers: readonly RecordRouter[];
  readonly verifySignature: VerifySignature;
  readonly clock: Clock;
  readonly timers: Timers;
}

export interface ComparisonOptions {
  readonly budgetMs: number;
  readonly comparisonsMax: number;
}

/** Further ones of a source are not looked at: each may cost a signature check. */
const RECORDS_MAX = 50;

/**
 * Asks everybody about one name, for whoever wonders why it resolves as it does: memory, disk and each router, also those that are
 * otherwise left alone. Changes nothing: what it finds is not stored.
 */
export class NameComparer {
  readonly #parts: Parts;
  readonly #options: ComparisonOptions;
  #running = 0;

  constructor(parts: Parts, options: ComparisonOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @throws HoldfastError `OVERLOADED` when too many are under way; the signal's reason when it aborts. */
  async compare(name: IpnsName, { signal }: { readonly signal: AbortSignal }): Promise<NameComparison> {
    if (this.#running >= this.#options.comparisonsMax) {
      throw new HoldfastError("OVERLOADED", "too many names are being compared");
    }
    this.#running++;
    try {
      return await this.#compare(name, signal);
    } finally {
      this.#running--;
    }
  }

  async #compare(name: IpnsName, signal: AbortSignal): Promise<NameComparison> {
    const { records, routers, clock, timers } = this.#parts;
    const budget = new AbortController();
    const cancel = timers.after(this.#options.budgetMs, () => budget.abort());
    const ended = AbortSignal.any([signal, budget.signal]);
    const atMs = clock.nowMs();
    const { memory, disk } = records.copies(name);
    try {
      const sources = await Promise.all([
        this.#held("memory", name, memory),
        this.#held("disk", name, disk),
        ...routers.map((router) => this.#ask(router, name, ended)),
      ]);
      signal.throwIfAborted();
      const valid = sources.flatMap((source) =>
        source.records.flatMap(({ record, problem }) =>
          record === undefined || problem !== undefined ? [] : [record],
        ),
      );
      return { name, atMs, sources, winner: selectRecord(valid) };
    } finally {
      cancel();
    }
  }

  async #held(
    kind: "memory" | "disk",
    name: IpnsName,
    stored: StoredRecord | undefined,
  ): Promise<ComparedSource> {
    const records = stored === undefined ? [] : [await this.#look(name, stored.record.bytes, 1)];
    const state = records.length === 0 ? "nothing" : "answered";
    return { kind, label: kind, state, latencyMs: 0, records, error: undefined };
  }

  async #ask(router: RecordRouter, name: IpnsName, signal: AbortSignal): Promise<ComparedSource> {
    const { clock } = this.#parts;
    const startedAtMs = clock.nowMs();
    const given = new Map<string, { readonly bytes: Uint8Array; times: number }>();
    let latencyMs: number | undefined;
    let error: string | undefined;
    try {
      for await (const bytes of router.get(name, { signal })) {
        latencyMs ??= clock.nowMs() - startedAtMs;
        const key = Buffer.from(bytes).toString("latin1");
        const seen = given.get(key);
        if (seen !== undefined) seen.times++;
        else if (given.size < RECORDS_MAX) given.set(key, { bytes, times: 1 });
      }
    } catch (err) {
      error = err instanceof Error ? err.message : String(err);
    }
    latencyMs ??= clock.nowMs() - startedAtMs;
    const all = [...given.values()];
    const records = await Promise.all(all.map(({ bytes, times }) => this.#look(name, bytes, times)));
    const state = stateOf({ isAnswered: all.length > 0, isFailed: error !== undefined, signal });
    return { kind: "router", label: router.label, state, latencyMs, records, error };
  }

  async #look(name: IpnsName, bytes: Uint8Array, times: number): Promise<ComparedRecord> {
    const { clock, verifySignature } = this.#parts;
    try {
      const record = await validateRecord(bytes, name, { nowMs: clock.nowMs(), verifySignature });
      return { record, problem: undefined, times };
    } catch (err) {
      const isRefused = recordProblemOf(err) !== undefined;
      const problem = isRefused && err instanceof Error ? err.message : "it could not be checked";
      return { record: decodedOrNot(bytes), problem, times };
    }
  }
}

function stateOf(facts: {
  readonly isAnswered: boolean;
  readonly isFailed: boolean;
  readonly signal: AbortSignal;
}): ComparedSource["state"] {
  if (facts.isAnswered) return "answered";
  if (facts.signal.aborted) return "silent";
  return facts.isFailed ? "failed" : "nothing";
}

function decodedOrNot(bytes: Uint8Array): IpnsRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch {
    // The problem says what is wrong with it.
    return undefined;
  }
}
