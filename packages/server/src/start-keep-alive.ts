import type { Config } from "./config/config.ts";
import { KEEP_ALIVE_POLICY } from "./policies.ts";
import { KeepAlive, type KeepAliveParts } from "./records/keep-alive/keep-alive.ts";
import type { RecordStore } from "./records/record-store.ts";
import type { Records } from "./records/records.ts";
import type { Routers } from "./start-routers.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

const [HOUR_MS, SECOND_MS] = [3_600_000, 1_000];

/** Puts records to every router that takes them, and again before they are forgotten there. To be called before anything is stored. */
export async function startKeepAlive(
  config: Config,
  parts: {
    readonly recordStore: RecordStore & { readonly propagations: KeepAliveParts["propagations"] };
    readonly records: Records;
    readonly routers: Pick<Routers, "writers">;
    readonly metrics: Metrics;
    readonly logger: Logger;
  },
  stack: AsyncDisposableStack,
): Promise<KeepAlive> {
  const { recordStore, records, routers, metrics } = parts;
  const keepAlive = new KeepAlive(
    {
      routers: routers.writers,
      propagations: recordStore.propagations,
      countNames: () => recordStore.count(),
      lookupsInFlight: () => records.lookupsInFlight,
      newId: () => crypto.randomUUID(),
      clock: systemClock,
      timers: systemClock,
      random: Math.random,
      logger: parts.logger.child({ part: "keep-alive" }),
      metrics,
    },
    {
      ...KEEP_ALIVE_POLICY,
      riskMs: config.darkAlertHours * HOUR_MS,
      reannounceEveryMs: config.reannounceIntervalS * SECOND_MS,
      reannounceProbability: config.reannounceProbability,
    },
  );
  stack.defer(() => keepAlive.close());
  records.onStored(({ current }) => {
    // What came from the network is not due at once.
    if (current.origin === "client") keepAlive.noteStored();
  });
  await keepAlive.start();
  return keepAlive;
}
