import { DnsOverHttps } from "./adapters/dns/dns-over-https.ts";
import { CachedDnslinks } from "./adapters/dns/dnslinks.ts";
import { SystemDns } from "./adapters/dns/system-dns.ts";
import type { TxtLookup } from "./adapters/dns/txt-lookup.ts";
import type { SignatureVerifier } from "./adapters/crypto/signature-verifier.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import { DNS_TIMEOUT_MS, PROPAGATION_POLICY, PUSHED_RECORDS_WAITING_MAX, RECORD_POLICY } from "./policies.ts";
import { Propagator } from "./records/propagator.ts";
import type { RecordStore } from "./records/record-store.ts";
import { Records } from "./records/records.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

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
    readonly recordStore: RecordStore;
    readonly verifier: SignatureVerifier;
    readonly backend: Backend;
    readonly metrics: Metrics;
    readonly dnslinks: CachedDnslinks;
    readonly logger: Logger;
  },
  stack: AsyncDisposableStack,
): Records {
  const { recordStore, verifier, backend, metrics, dnslinks } = parts;
  const logger = parts.logger.child({ part: "records" });
  const routers = backend.canRoute ? [backend] : [];
  const shared = { routers, timers: systemClock, random: Math.random, logger, metrics };
  const records = new Records(
    {
      ...shared,
      store: recordStore,
      verifySignature: verifier.verifySignature,
      dnslinks,
      clock: systemClock,
    },
    { ...RECORD_POLICY, hotBytesMax: config.hotRecordsBytesMax },
  );
  stack.defer(() => records.close());
  const propagator = new Propagator(shared, PROPAGATION_POLICY);
  stack.defer(() => {
    propagator.close();
  });
  records.onStored(({ current }) => {
    // What came from the network is there already; what a client gave us is ours to pass on.
    if (current.origin === "client") propagator.enqueue(current.record);
  });
  takePushedRecords(backend, records, { metrics, logger });
  return records;
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
