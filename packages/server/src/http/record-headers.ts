import type { Resolution } from "../records/records.ts";
import type { StoredRecord } from "../records/record-store.ts";

/**
 * `HIT`: held and fresh. `STALE`: held, past its freshness. `MISS`: was not held, the network was asked.
 * `BYPASS`: the client insisted, and the network was asked first.
 */
type CacheStatus = "HIT" | "STALE" | "MISS" | "BYPASS";

export interface RecordFacts {
  readonly stored: StoredRecord;
  readonly stale: boolean;
  readonly cacheStatus: CacheStatus;
  readonly nowMs: number;
}

/**
 * The `X-IPNS-*` headers, name and value by turns.
 *
 * `Source` is `sidecar-cache` for what was held and `kubo` for what the network just said, the words of the reference
 * system. `Last-Updated` is ISO 8601 in UTC, when these bytes arrived; `Age` counts seconds since routing, or the owner by
 * putting it, last confirmed the record as the newest.
 */
export function recordHeaders({ stored, stale, cacheStatus, nowMs }: RecordFacts): string[] {
  const isFromNetwork = cacheStatus === "MISS" || cacheStatus === "BYPASS";
  return [
    "X-IPNS-Source",
    isFromNetwork ? "kubo" : "sidecar-cache",
    "X-IPNS-Sequence",
    stored.record.sequence.toString(),
    "X-IPNS-Last-Updated",
    new Date(stored.receivedAtMs).toISOString(),
    "X-IPNS-Age",
    String(ageS(stored, nowMs)),
    "X-IPNS-Stale",
    stale ? "true" : "false",
    "X-Cache-Status",
    cacheStatus,
  ];
}

export function factsOf(resolution: Resolution, nowMs: number, askedFirst: boolean): RecordFacts {
  const stale = resolution.freshness === "stale";
  const { stored, answeredFrom } = resolution;
  const held = stale ? "STALE" : "HIT";
  return {
    stored,
    stale,
    nowMs,
    cacheStatus: answeredFrom === "store" ? held : askedFirst ? "BYPASS" : "MISS",
  };
}

/** The body of a `routing/get` answer: one line of JSON around the stored bytes. ASCII. */
export function routingGetBody(recordBytes: Uint8Array): string {
  const bytes = Buffer.from(recordBytes.buffer, recordBytes.byteOffset, recordBytes.byteLength);
  return `{"Extra":"${bytes.toString("base64")}","Type":5}\n`;
}

/**
 * The headers of a `routing/get` answer. A browser may keep it but has to ask each time: a pointer that moved must never
 * come out of a cache. The tag is weak, because the signed part names the record while its envelope may be written in
 * more than one way.
 */
export function routingGetHeaders(facts: RecordFacts, body: string): string[] {
  return [
    "Content-Type",
    "application/json",
    "Content-Length",
    String(body.length),
    "Cache-Control",
    "no-cache",
    "ETag",
    signatureTag(facts.stored),
    ...recordHeaders(facts),
  ];
}

export function signatureTag(stored: StoredRecord): string {
  const { signatureV2 } = stored.record;
  return `W/"${Buffer.from(signatureV2.buffer, signatureV2.byteOffset, Math.min(18, signatureV2.byteLength)).toString("base64url")}"`;
}

export function headersByName(list: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let i = 0; i + 1 < list.length; i += 2) headers[list[i] ?? ""] = list[i + 1] ?? "";
  return headers;
}

/** Whether one of the tags of an `If-None-Match` names this one; compared weakly, as RFC 9110 §13.1.2 says. */
export function isNoneMatch(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const opaque = tag.replace(/^W\//, "");
  return header.split(",").some((candidate) => {
    const text = candidate.trim();
    return text === "*" || text.replace(/^W\//, "") === opaque;
  });
}

/** Whole seconds since the record was last confirmed. */
export function ageS(stored: StoredRecord, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - stored.checkedAtMs) / 1000));
}
