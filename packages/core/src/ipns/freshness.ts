/** Fresh: confirmed lately. Stale: still valid, served while it is looked up again. Expired: past its EOL, never served. */
export type Freshness = "fresh" | "stale" | "expired";

/** However long its TTL, a record is looked up again after this; so is one without a TTL. */
const FRESH_MS_MAX = 60_000;
const NS_PER_MS = 1_000_000n;
const FRESH_NS_MAX = BigInt(FRESH_MS_MAX) * NS_PER_MS;

/** For how long after it was confirmed a record is fresh: its TTL, at most a minute. A TTL of 0 counts as unset. */
export function freshForMs(ttlNs: bigint | undefined): number {
  if (ttlNs === undefined || ttlNs <= 0n || ttlNs >= FRESH_NS_MAX) return FRESH_MS_MAX;
  // Rounded up, or a TTL below a millisecond would be fresh for none.
  return Number((ttlNs + NS_PER_MS - 1n) / NS_PER_MS);
}

/**
 * As time passes a record only goes from fresh to stale to expired, never back. The instant of the EOL itself is
 * still valid, as in boxo.
 */
export function freshnessOf(
  record: { readonly checkedAtMs: number; readonly freshForMs: number; readonly eolMs: number },
  nowMs: number,
): Freshness {
  if (nowMs > record.eolMs) return "expired";
  return nowMs < record.checkedAtMs + record.freshForMs ? "fresh" : "stale";
}
