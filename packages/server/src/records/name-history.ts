import { HISTORY_RECORDS_MAX, type StoredRecord } from "./record-store.ts";

export type HistoricRecord = Omit<StoredRecord, "checkedAtMs">;

/** What a name pointed to at some instant, as far as this node was told. */
export type RecordAt =
  /** That record was current. */
  | { readonly kind: "record"; readonly entry: HistoricRecord }
  /** The last record had expired by then. */
  | { readonly kind: "expired"; readonly entry: HistoricRecord }
  /** This node had no record yet; its first one came at `sinceMs`, if ever. */
  | { readonly kind: "unknown"; readonly sinceMs?: number }
  /** Older records than the one of `sinceMs` may have been current, but are not kept. */
  | { readonly kind: "not-kept"; readonly sinceMs: number };

/** @param history newest first, as `RecordStore.history` gives it. */
export function recordAt(history: readonly HistoricRecord[], atMs: number): RecordAt {
  const entry = history.find(({ receivedAtMs }) => receivedAtMs <= atMs);
  if (entry !== undefined) return { kind: atMs > entry.record.eolMs ? "expired" : "record", entry };
  const sinceMs = history.at(-1)?.receivedAtMs;
  if (sinceMs === undefined) return { kind: "unknown" };
  return { kind: history.length < HISTORY_RECORDS_MAX ? "unknown" : "not-kept", sinceMs };
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Parses RFC 3339, or milliseconds since the Unix epoch, into the latter; undefined for anything else. */
export function parseInstant(text: string): number | undefined {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (!RFC_3339.test(text)) return undefined;
  const ms = Date.parse(text.replace(" ", "T").toUpperCase());
  return Number.isNaN(ms) ? undefined : ms;
}
