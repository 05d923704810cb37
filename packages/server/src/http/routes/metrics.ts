import type { FastifyInstance } from "fastify";
import type { Clock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { RefusalCounts } from "../limits.ts";
import type { PinnedRoots } from "../../content/pinned-roots.ts";
import { sidecarCacheStats } from "./sidecar-cache-stats.ts";

export interface MetricsParts {
  readonly recordStore: { count(): number };
  readonly pinnedRoots: Pick<PinnedRoots, "totals">;
  readonly metrics: Metrics;
  /** Of the public listener. */
  readonly refusals: RefusalCounts;
  readonly clock: Clock;
}

/**
 * `GET /metrics`: the JSON of the reference system, each counter true. What this node does not do yet is 0:
 * announcements, and the pins that they ask for; `chain_validation` stays 0, because application rules never refuse a record (R6). Our own counters are
 * under `holdfast`.
 */
export function metricsRoute(
  { recordStore, pinnedRoots, metrics, refusals, clock }: MetricsParts,
  { nodeName, startedAtMs }: { readonly nodeName: string; readonly startedAtMs: number },
) {
  return (app: FastifyInstance): void => {
    app.get("/metrics", (_request, reply) => {
      void reply.header("Cache-Control", "no-store").send({
        status: "ok",
        uptime_seconds: Math.max(0, Math.floor((clock.nowMs() - startedAtMs) / 1000)),
        node_name: nodeName,
        database: {
          total_pinned_cids: pinCount(pinnedRoots),
          total_ipns_records: recordStore.count(),
          cid_announcements: 0,
          ipns_announcements: 0,
        },
        session: {
          cids_queued: 0,
          cids_pinned: 0,
          cids_rejected: 0,
          cids_failed: 0,
          ipns_records_stored: metrics.records.stored,
          nostr_events_received: 0,
          reannouncements: 0,
        },
        chain_validation: { passed: 0, failed_break: 0, failed_fetch: 0, skipped: 0 },
        security: {
          signature_verification_enabled: true,
          signatures_verified: metrics.signatures.verified,
          signatures_failed: metrics.signatures.rejected,
          signatures_skipped: 0,
          rate_limit_global_rejected: metrics.http.overloaded + refusals.node,
          rate_limit_ip_rejected: refusals.clients,
          rate_limit_ipns_rejected: refusals.names,
        },
        relays: 0,
        instant_pin_cache: sidecarCacheStats({ pinnedRoots, metrics }),
        holdfast: metrics,
      });
    });
  };
}

function pinCount(pinnedRoots: MetricsParts["pinnedRoots"]): number {
  return [...pinnedRoots.totals().values()].reduce((sum, { pins }) => sum + pins, 0);
}
