import type { FastifyInstance } from "fastify";
import type { PinnedRoots } from "../../content/pinned-roots.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { sendJsonLine } from "../json-line.ts";

export interface SidecarCacheStatsParts {
  readonly pinnedRoots: Pick<PinnedRoots, "totals">;
  readonly metrics: Pick<Metrics, "sidecar">;
}

/**
 * The counters of the reference system, each true: entries and bytes are those held now, by state (R21), the others count since
 * the start of the process. The vault is the backend, so that what was submitted is confirmed when it is answered and
 * nothing is ever pending or promoted. The vault has no bound of its own: `max_bytes` and `max_entries` are null.
 */
export function sidecarCacheStats({
  pinnedRoots,
  metrics,
}: SidecarCacheStatsParts): Readonly<Record<string, unknown>> {
  const { pins, blockBytes } = pinnedRoots.totals().get("sidecar") ?? { pins: 0, blockBytes: 0 };
  const { sidecar } = metrics;
  return {
    enabled: true,
    pending_entries: 0,
    confirmed_entries: pins,
    bytes_used_pending: 0,
    bytes_used_total: blockBytes,
    max_bytes: null,
    max_entries: null,
    accepted_submits: sidecar.submitsAccepted,
    rejected_full: sidecar.submitsOverloaded,
    rejected_too_large: sidecar.submitsTooLarge,
    promotions_succeeded: 0,
    promotion_attempts: 0,
    promotion_failures: 0,
    promotion_timeout_alerts: 0,
    cache_hits: sidecar.blobHits,
    cache_misses: sidecar.blobMisses,
  };
}

/** `GET /sidecar/cache-stats`: the same object as `instant_pin_cache` in `/metrics`. */
export function sidecarCacheStatsRoute(parts: SidecarCacheStatsParts) {
  return (app: FastifyInstance): void => {
    app.get("/sidecar/cache-stats", (_request, reply) => {
      sendJsonLine(reply.header("Cache-Control", "no-store"), sidecarCacheStats(parts));
    });
  };
}
