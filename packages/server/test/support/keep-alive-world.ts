import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ValidatedRecord } from "@holdfast/core";
import { SqliteRecordStore } from "../../src/adapters/sqlite/record-store.ts";
import { KEEP_ALIVE_POLICY } from "../../src/policies.ts";
import {
  KeepAlive,
  type KeepAliveOptions,
  type KeepAliveParts,
} from "../../src/records/keep-alive/keep-alive.ts";
import type { RecordOrigin } from "../../src/records/record-store.ts";
import type { RecordRouter } from "../../src/records/lookup/record-router.ts";
import { createLogger, type Logger } from "../../src/telemetry/logger.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { MEMORY_FOLDER } from "./memory-folder.ts";
import { createTestName, makeValidatedRecord, type TestKey } from "./records.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface WorldOptions {
  readonly startMs?: number;
  readonly dataDir?: string;
  readonly logger?: Logger;
  readonly seed?: number;
  readonly options?: Partial<KeepAliveOptions>;
}

/** The real keep-alive on the real store, in a time that the test moves. */
export class KeepAliveWorld implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly metrics = new Metrics();
  readonly dataDir: string;
  readonly random: () => number;
  lookupsInFlight = 0;
  #store: SqliteRecordStore | undefined;
  #keepAlive: KeepAlive | undefined;
  #workUnderWay = 0;
  readonly #options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.dataDir = options.dataDir ?? mkdtempSync(join(MEMORY_FOLDER, "holdfast-keep-alive-"));
    this.clock = new VirtualClock(options.startMs ?? Date.now(), () => this.#idle());
    this.random = seededRandom(options.seed ?? 1);
  }

  get store(): SqliteRecordStore {
    if (this.#store === undefined) throw new Error("the world has not begun");
    return this.#store;
  }

  get keepAlive(): KeepAlive {
    if (this.#keepAlive === undefined) throw new Error("the world has not begun");
    return this.#keepAlive;
  }

  /** Opens the store and keeps what is in it alive at these targets. */
  async begin(routers: readonly RecordRouter[], options: Partial<KeepAliveOptions> = {}): Promise<void> {
    const logger = this.#options.logger ?? createLogger("silent");
    this.#store = await SqliteRecordStore.open({ logger }, { dataDir: this.dataDir });
    this.#keepAlive = new KeepAlive(
      {
        routers,
        propagations: this.#watched(this.#store.propagations),
        countNames: () => this.store.count(),
        lookupsInFlight: () => this.lookupsInFlight,
        newId: () => `operation-${this.random()}`,
        clock: this.clock,
        timers: this.clock,
        random: this.random,
        logger,
        metrics: this.metrics,
      },
      { ...TEST_OPTIONS, ...this.#options.options, ...options },
    );
    await this.#keepAlive.start();
  }

  /** A record that is valid at this moment, for a year unless said otherwise. */
  makeRecord(
    facts: { readonly key?: TestKey; readonly sequence?: bigint; readonly lifeMs?: number } = {},
  ): Promise<ValidatedRecord> {
    const nowMs = this.clock.nowMs();
    const { key = createTestName(), sequence = 1n, lifeMs = YEAR_MS } = facts;
    return makeValidatedRecord(key, { sequence, eolMs: nowMs + lifeMs, nowMs });
  }

  makeRecords(count: number): Promise<ValidatedRecord[]> {
    return Promise.all(Array.from({ length: count }, () => this.makeRecord()));
  }

  async put(records: readonly ValidatedRecord[], origin: RecordOrigin = "client"): Promise<void> {
    const facts = { origin, receivedAtMs: this.clock.nowMs() };
    await Promise.all(records.map((record) => this.store.put(record, facts)));
    if (origin === "client") this.keepAlive.noteStored();
  }

  /** Stops as a node does. */
  async end(): Promise<void> {
    await this.#keepAlive?.close();
    await this.#store?.[Symbol.asyncDispose]();
    this.#keepAlive = undefined;
    this.#store = undefined;
  }

  /** Stops as a killed node does, as far as the store can tell: what is not written is lost, puts under way are never heard of. */
  async kill(): Promise<void> {
    this.clock.skip(0);
    await this.#store?.[Symbol.asyncDispose]();
    this.#keepAlive = undefined;
    this.#store = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    if (this.#options.dataDir === undefined) rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** The clock stands still until this work has ended. */
  async watch<T>(work: Promise<T>): Promise<T> {
    this.#workUnderWay++;
    try {
      return await work;
    } finally {
      this.#workUnderWay--;
    }
  }

  #watched(real: KeepAliveParts["propagations"]): KeepAliveParts["propagations"] {
    const watch = <T>(write: Promise<T>): Promise<T> => this.watch(write);
    return {
      setTargets: (...args) => watch(real.setTargets(...args)),
      tend: (...args) => watch(real.tend(...args)),
      settle: (...args) => watch(real.settle(...args)),
      saveOperation: (...args) => watch(real.saveOperation(...args)),
      due: (...args) => real.due(...args),
      pressing: (...args) => real.pressing(...args),
      firstDueAtMs: (...args) => real.firstDueAtMs(...args),
      current: (...args) => real.current(...args),
      of: (...args) => real.of(...args),
      darkness: (...args) => real.darkness(...args),
      count: (...args) => real.count(...args),
      namesAfter: (...args) => real.namesAfter(...args),
      operation: (...args) => real.operation(...args),
      runningOperations: (...args) => real.runningOperations(...args),
    };
  }

  async #idle(): Promise<void> {
    do await nextTurn();
    while (this.#workUnderWay > 0);
  }
}

const YEAR_MS = 365 * 24 * 3_600_000;

const TEST_OPTIONS: KeepAliveOptions = {
  ...KEEP_ALIVE_POLICY,
  riskMs: 12 * 3_600_000,
  reannounceEveryMs: 0,
  reannounceProbability: 1,
};

/** Mulberry32: the same numbers in each run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
