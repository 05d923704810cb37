import type { FastifyInstance } from "fastify";
import type { PinState } from "../../pins/pin.ts";
import { type Pins, sumOf } from "../../pins/pins.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Vault } from "../../content/vault.ts";
import { sendJsonLine } from "../json-line.ts";

export interface SidecarCacheStatsParts {
  readonly pins: Pick<Pins, "totals">;
  readonly vault?: Pick<Vault, "bytesMax"> | undefined;
  readonly metrics: Pick<Metrics, "sidecar">;
}

/**
 * The counters of the reference system, each true: entries and bytes are those held now, by state (R21), the others count since
 * the start of the process. Pending is what the backend has not confirmed as pinned, a promotion the way there; while the
 * vault is the backend itself there is neither. `max_bytes` is the bound of the vault, on bytes of all kinds; null when that is the
 * disk. There is none on entries.
 */
export function sidecarCacheStats({
  pins,
  vault,
  metrics,
}: SidecarCacheStatsParts): Readonly<Record<string, unknown>> {
  const totals = pins.totals().filter(({ source }) => source === "sidecar");
  const pending = sumOf(totals, ({ state }) => PENDING.has(state));
  const confirmed = sumOf(totals, ({ state }) => CONFIRMED.has(state));
  const { sidecar } = metrics;
  return {
    enabled: true,
    pending_entries: pending.pins,
    confirmed_entries: confirmed.pins,
    bytes_used_pending: pending.blockBytes,
    bytes_used_total: pending.blockBytes + confirmed.blockBytes,
    max_bytes: vault === undefined || vault.bytesMax === 0 ? null : vault.bytesMax,
    max_entries: null,
    accepted_submits: sidecar.submitsAccepted,
    rejected_full: sidecar.submitsOverloaded,
    rejected_too_large: sidecar.submitsTooLarge,
    promotions_succeeded: sidecar.promotionsSucceeded,
    promotion_attempts: sidecar.promotionAttempts,
    promotion_failures: sidecar.promotionsFailed,
    promotion_timeout_alerts: sidecar.promotionsStalled,
    cache_hits: sidecar.blobHits,
    cache_misses: sidecar.blobMisses,
  };
}

const PENDING: ReadonlySet<string> = new Set<PinState>(["queued", "stored", "dead"]);
const CONFIRMED: ReadonlySet<string> = new Set<PinState>(["pinned", "provided"]);

/** `GET /sidecar/cache-stats`: the same object as `instant_pin_cache` in `/metrics`. */
export function sidecarCacheStatsRoute(parts: SidecarCacheStatsParts) {
  return (app: FastifyInstance): void => {
    app.get("/sidecar/cache-stats", (_request, reply) => {
      sendJsonLine(reply.header("Cache-Control", "no-store"), sidecarCacheStats(parts));
    });
  };
}
