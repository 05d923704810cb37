import type { FastifyInstance } from "fastify";
import type { AnnounceStatus } from "../../announce/announce-status.ts";
import type { Clock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { RefusalCounts } from "../limits.ts";
import { type Pins, sumOf } from "../../pins/pins.ts";
import type { KeepAlive } from "../../records/keep-alive/keep-alive.ts";
import { viewKeepAlive } from "../keep-alive-view.ts";
import { type VaultRoom, vaultForm } from "../vault-form.ts";
import { sidecarCacheStats } from "./sidecar-cache-stats.ts";

export interface MetricsParts {
  readonly recordStore: { count(): number };
  readonly pins: Pick<Pins, "totals">;
  /** Absent: records are kept alive nowhere. */
  readonly keepAlive?: Pick<KeepAlive, "status">;
  readonly vault?: VaultRoom | undefined;
  readonly announce?: { status(): AnnounceStatus };
  readonly metrics: Metrics;
  /** Of the public listener. */
  readonly refusals: RefusalCounts;
  readonly clock: Clock;
}

/**
 * `GET /metrics`: the JSON of the reference system, each counter true. `chain_validation` stays 0, because application rules never refuse a record (R6). Our own counters are
 * under `holdfast`.
 */
export function metricsRoute(
  { recordStore, pins, keepAlive, vault, announce, metrics, refusals, clock }: MetricsParts,
  { nodeName, startedAtMs }: { readonly nodeName: string; readonly startedAtMs: number },
) {
  return (app: FastifyInstance): void => {
    app.get("/metrics", (_request, reply) => {
      const announced = announce?.status();
      void reply.header("Cache-Control", "no-store").send({
        status: "ok",
        uptime_seconds: Math.max(0, Math.floor((clock.nowMs() - startedAtMs) / 1000)),
        node_name: nodeName,
        database: {
          total_pinned_cids: pinnedCount(pins),
          total_ipns_records: recordStore.count(),
          cid_announcements: announced?.totals.cids ?? 0,
          ipns_announcements: announced?.totals.names ?? 0,
        },
        session: {
          cids_queued: metrics.pins.added,
          cids_pinned: metrics.pins.pinned,
          cids_rejected: metrics.pins.rejected,
          cids_failed: metrics.pins.dead,
          ipns_records_stored: metrics.records.stored,
          nostr_events_received: metrics.announcements.eventsReceived,
          reannouncements: metrics.propagation.reannounced,
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
        relays: announced?.relays.filter(({ isConnected }) => isConnected).length ?? 0,
        instant_pin_cache: sidecarCacheStats({ pins, metrics, vault }),
        keep_alive: keepAlive === undefined ? null : viewKeepAlive(keepAlive.status()),
        holdfast: vault === undefined ? metrics : Object.assign({ vault: vaultForm(vault) }, metrics),
      });
    });
  };
}

function pinnedCount(pins: MetricsParts["pins"]): number {
  return sumOf(pins.totals(), ({ state }) => state === "pinned" || state === "provided").pins;
}
