import { DnsOverHttps } from "./adapters/dns/dns-over-https.ts";
import { CachedDnslinks } from "./adapters/dns/dnslinks.ts";
import { SystemDns } from "./adapters/dns/system-dns.ts";
import type { TxtLookup } from "./adapters/dns/txt-lookup.ts";
import type { SignatureVerifier } from "./adapters/crypto/signature-verifier.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import { WarmNamesFile } from "./adapters/warm-names/warm-names-file.ts";
import { WARM_NAMES_MAX } from "./config/routing.ts";
import {
  DNS_TIMEOUT_MS,
  FRESH_KEEPER_POLICY,
  PUSHED_RECORDS_WAITING_MAX,
  RECORD_POLICY,
} from "./policies.ts";
import { FreshKeeper, type WarmNames } from "./records/lookup/fresh-keeper.ts";
import type { AnomalyStore } from "./records/anomalies/anomaly-store.ts";
import type { RecordStore } from "./records/record-store.ts";
import { Records } from "./records/records.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import type { Routers } from "./start-routers.ts";

export function createDnslinks({ dns, dnslinkMap, network }: Config, logger: Logger): CachedDnslinks {
  let lookup: TxtLookup | undefined;
  if (network !== "offline" && dns.kind === "system") lookup = new SystemDns({ timeoutMs: DNS_TIMEOUT_MS });
  if (network !== "offline" && dns.kind === "https")
    lookup = new DnsOverHttps({ url: dns.url, timeoutMs: DNS_TIMEOUT_MS });
  const parts = { lookup, clock: systemClock, timers: systemClock, logger: logger.child({ part: "dns" }) };
  return new CachedDnslinks(parts, { map: dnslinkMap });
}

/** The room of records and everything that listens to it, on this stack. */
export function startRecords(
  config: Config,
  parts: {
    readonly recordStore: RecordStore & { readonly anomalies: AnomalyStore };
    readonly verifier: SignatureVerifier;
    readonly backend: Backend;
    readonly routers: Routers;
    readonly metrics: Metrics;
    readonly dnslinks: CachedDnslinks;
    readonly logger: Logger;
  },
  stack: AsyncDisposableStack,
): Records {
  const { recordStore, verifier, backend, metrics, dnslinks } = parts;
  const logger = parts.logger.child({ part: "records" });
  const { readers, healthOf } = parts.routers;
  const shared = { timers: systemClock, random: Math.random, logger, metrics };
  const records = new Records(
    {
      ...shared,
      routers: readers,
      healthOf,
      store: recordStore,
      anomalyStore: recordStore.anomalies,
      verifySignature: verifier.verifySignature,
      dnslinks,
      clock: systemClock,
    },
    { ...RECORD_POLICY, hotBytesMax: config.hotRecordsBytesMax },
  );
  stack.defer(() => records.close());
  takePushedRecords(backend, records, { metrics, logger });
  keepFresh(config, records, logger, stack);
  return records;
}

/** Popular names, and those of the warm list. */
function keepFresh(
  { warmNames }: Config,
  records: Records,
  logger: Logger,
  stack: AsyncDisposableStack,
): void {
  let warm: WarmNames | undefined;
  if (warmNames !== undefined && "names" in warmNames) warm = { names: () => warmNames.names };
  if (warmNames !== undefined && "file" in warmNames) {
    const options = { path: warmNames.file, namesMax: WARM_NAMES_MAX };
    warm = stack.use(new WarmNamesFile({ timers: systemClock, logger }, options));
  }
  const parts = { records, clock: systemClock, timers: systemClock, random: Math.random };
  const keeper = new FreshKeeper({ ...parts, ...(warm && { warm }) }, FRESH_KEEPER_POLICY);
  stack.defer(() => {
    keeper.close();
  });
}

/** Records that other peers put to our DHT server enter by the same door as a client's. */
function takePushedRecords(
  backend: Backend,
  records: Records,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
): void {
  let waiting = 0;
  backend.onRecordPushed((name, recordBytes) => {
    if (waiting >= PUSHED_RECORDS_WAITING_MAX) return;
    waiting++;
    metrics.records.pushedByPeers++;
    records
      .publish(name, recordBytes, { origin: "peer-push" })
      .catch((err: unknown) => {
        logger.debug({ err, name: name.text }, "record pushed by a peer refused");
      })
      .finally(() => {
        waiting--;
      });
  });
}
