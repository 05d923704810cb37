import { createLogger } from "../../src/telemetry/logger.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { MemoryRecordStore } from "../../src/adapters/memory/record-store.ts";
import { verifySignature } from "../../src/adapters/crypto/verify-signature.ts";
import type { RecordRouter } from "../../src/records/lookup/record-router.ts";
import { Records, type RecordsOptions, type RecordsParts } from "../../src/records/records.ts";
import { ManualClock } from "./manual-clock.ts";

const RECORDS_OPTIONS: RecordsOptions = {
  hotBytesMax: 1 << 20,
  negativeTtlMs: 15_000,
  negativeEntriesMax: 1000,
  firstAnswerMs: 5_000,
  budgetMs: 10_000,
  lookupsMax: 64,
  hedgeMs: 300,
  askFirstMs: 3_000,
  refreshesMax: 8,
  refreshQueueMax: 100,
  refreshJitterMs: 250,
  refreshRetryMs: 5_000,
  popularity: { sampleOneIn: 1, halfLifeMs: 30_000, samplesMin: 2, namesMax: 100 },
  anomalies: {
    jumpMax: 1_000n,
    writeDelayMs: 1_000,
    pendingMax: 100,
    peerIntervalMs: 3_600_000,
    checksPerSecondMax: 50,
    checksUnderWayMax: 16,
    nameIntervalMs: 1_000,
    verdictsMax: 100,
  },
};

export interface TestRecords {
  readonly records: Records;
  readonly clock: ManualClock;
  readonly metrics: Metrics;
  readonly store: RecordsParts["store"];
}

/** The real records room on the memory store, with a clock that the test moves and signatures checked in place. */
export function createRecords(
  routers: readonly RecordRouter[],
  overrides: { readonly parts?: Partial<RecordsParts>; readonly options?: Partial<RecordsOptions> } = {},
): TestRecords {
  const clock = new ManualClock();
  const metrics = new Metrics();
  const store = overrides.parts?.store ?? new MemoryRecordStore();
  const records = new Records(
    {
      store,
      routers,
      verifySignature,
      clock,
      timers: clock,
      random: () => 0.5,
      logger: createLogger("silent"),
      metrics,
      ...overrides.parts,
    },
    { ...RECORDS_OPTIONS, ...overrides.options },
  );
  return { records, clock, metrics, store };
}
