import { freshForMs, type IpnsName, type IpnsRecord } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import type { Metrics } from "../telemetry/metrics.ts";
import { type GatewayAnswer, WHOLE_BODY_BYTES_MAX } from "./answer.ts";
import { cacheControl } from "./caching.ts";
import { selectFormat } from "./select-format.ts";

/** A record as it is held, with what its freshness depends on. */
export interface HeldRecord {
  readonly record: IpnsRecord & { readonly name: IpnsName };
  /** When it was last confirmed as the newest, ms since the Unix epoch. */
  readonly checkedAtMs: number;
}

/** What the cache needs of `records/`. */
export interface HeldRecords {
  /** The record held for a name, unless it has expired, at once; a stale one is refreshed behind. */
  peek(name: IpnsName): HeldRecord | undefined;
}

/** What an answer under `/ipns` depends on; both empty under `/ipfs`. */
export interface AnswerOrigins {
  /** The record of each name on the way. */
  readonly records: readonly HeldRecord[];
  /** Until when the DNSLinks on the way may be used, ms since the Unix epoch; Infinity when there is none. */
  readonly linksUntilMs: number;
}

export interface CachedResponse {
  /** Name and value by turns, as `writeHead` takes them; written over as time passes. */
  readonly headers: string[];
  /** Small bodies as text with a byte in each character, which is sent with the headers in one piece. */
  readonly body: Buffer | string;
  readonly bodyBytes: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly hasRanges: boolean;
  /** What it is made of can change: it depends on a name. */
  readonly isMutable: boolean;
}

interface Entry extends CachedResponse {
  readonly records: HeldRecord[];
  readonly linksUntilMs: number;
  /** In `headers`. */
  readonly cacheControlAt: number;
  readonly statusAt: number;
  readonly cacheStatusAt: number;
  readonly costBytes: number;
  /** While the headers are right. */
  fromMs: number;
  untilMs: number;
}

export interface ResponseCacheOptions {
  /** Bound on bodies, headers and keys together. */
  readonly bytesMax: number;
  /** Put before the headers of each answer, name and value by turns. */
  readonly headers?: readonly string[];
}

/** Up to this size a body is kept as text: node then sends headers and body in one write, which costs less than two. */
const TEXT_BODY_BYTES_MAX = 4096;
/** Objects, arrays, the place in the list. */
const ENTRY_OVERHEAD_BYTES = 1024;

/** Which representation an `Accept` header chooses when the URL does not: equal for headers that mean the same. */
export function representationOf(accept: string | undefined): string {
  const { format, parameters } = selectFormat(NO_QUERY, accept);
  // For codecs that are documents a browser gets a page.
  const isBrowser = accept?.includes("text/html") === true;
  const list = [...parameters].map(([name, value]) => `;${name}=${value}`).sort();
  return `${format}${list.join("")}${isBrowser ? ";html" : ""}`;
}

const NO_QUERY = new URLSearchParams();

/**
 * Whole answers, at most 1 MiB each, within a bound of bytes. The key is the request target to the letter, so every
 * parameter that may change the bytes is in it, the host before it where that changes anything, and the representation that
 * `Accept` chooses (R16). The resolved root is in the
 * target under `/ipfs`; under `/ipns` the entry knows the records on its way, and is one no more as soon as another one is
 * held (R18).
 */
export class ResponseCache {
  readonly #entries: LRUCache<string, Entry> | undefined;
  readonly #records: HeldRecords;
  readonly #metrics: Pick<Metrics, "content">;
  readonly #headers: readonly string[];

  constructor(
    parts: { readonly records: HeldRecords; readonly metrics: Pick<Metrics, "content"> },
    { bytesMax, headers = [] }: ResponseCacheOptions,
  ) {
    this.#records = parts.records;
    this.#metrics = parts.metrics;
    this.#headers = headers;
    if (bytesMax === 0) return;
    this.#entries = new LRUCache({
      maxSize: bytesMax,
      maxEntrySize: Math.max(1, Math.floor(bytesMax / 8)),
      sizeCalculation: ({ costBytes }) => costBytes,
    });
  }

  static keyOf(target: string, representation: string): string {
    return `${representation}\n${target}`;
  }

  /** The answer as it has to be sent now. Undefined when there is none, or a name on its way leads elsewhere. */
  get(key: string, nowMs: number): CachedResponse | undefined {
    const entry = this.#entries?.get(key);
    if (entry === undefined || !entry.isMutable) return entry;
    if (this.#isCurrent(entry, nowMs)) {
      if (nowMs >= entry.untilMs || nowMs < entry.fromMs) bringUpToDate(entry, nowMs);
      return entry;
    }
    this.#entries?.delete(key);
    this.#metrics.content.responsesOutdated++;
    return undefined;
  }

  /**
   * Keeps an answer if it is one to be kept: a complete 200 whose origins are those of its namespace. Everything else is
   * passed over, errors always (P7).
   */
  set(key: string, answer: GatewayAnswer & { readonly body: Uint8Array }, origins: AnswerOrigins): void {
    const { status, headers, body } = answer;
    const isMutable = origins.records.length > 0 || origins.linksUntilMs < Number.POSITIVE_INFINITY;
    const cacheControlText = headers["cache-control"] ?? "no-store";
    const isWhole =
      headers["content-length"] === undefined || headers["content-length"] === String(body.byteLength);
    // What claims to be for ever cannot depend on a name, and what depends on a name cannot be for ever.
    const isForEver = headers["x-ipfs-path"]?.startsWith("/ipfs/") === true;
    if (status !== 200 || /no-store|private/.test(cacheControlText) || !isWhole || isForEver === isMutable)
      return;
    if (body.byteLength > WHOLE_BODY_BYTES_MAX) return;
    this.#entries?.set(key, this.#entryOf(key, answer, { ...origins, isMutable }));
  }

  /** Bytes held, overhead included. */
  get heldBytes(): number {
    return this.#entries?.calculatedSize ?? 0;
  }

  #isCurrent(entry: Entry, nowMs: number): boolean {
    if (nowMs >= entry.linksUntilMs) return false;
    const { records } = entry;
    for (const [i, known] of records.entries()) {
      const held = this.#records.peek(known.record.name);
      if (held === known) continue;
      if (held === undefined || !isSameRecord(held, known)) return false;
      // The same record, confirmed again or read back from the disk.
      records[i] = held;
      entry.untilMs = 0;
    }
    return true;
  }

  #entryOf(
    key: string,
    {
      headers: named,
      body: bytes,
    }: { readonly headers: GatewayAnswer["headers"]; readonly body: Uint8Array },
    origins: AnswerOrigins & { readonly isMutable: boolean },
  ): Entry {
    const body = kept(bytes);
    const headers = [...this.#headers, ...Object.entries(named).flat()];
    if (named["content-length"] === undefined) headers.push("content-length", String(bytes.byteLength));
    headers.push(
      "X-Cache-Status",
      "HIT",
      "Cache-Status",
      "holdfast; hit",
      "Server-Timing",
      'cache;desc="hit"',
    );
    const headerBytes = headers.reduce((sum, text) => sum + text.length, 0);
    return {
      headers,
      body,
      bodyBytes: bytes.byteLength,
      etag: named["etag"],
      lastModified: named["last-modified"],
      hasRanges: named["accept-ranges"] === "bytes",
      isMutable: origins.isMutable,
      records: [...origins.records],
      linksUntilMs: origins.linksUntilMs,
      cacheControlAt: headers.indexOf("cache-control") + 1,
      statusAt: headers.indexOf("X-Cache-Status") + 1,
      cacheStatusAt: headers.indexOf("Cache-Status") + 1,
      costBytes: bytes.byteLength + headerBytes + 2 * key.length + ENTRY_OVERHEAD_BYTES,
      fromMs: 0,
      untilMs: 0,
    };
  }
}

/** How long what depends on these may be reused, ms; and since when it is stale, if it is. */
export function reuseOf(
  { records, linksUntilMs }: AnswerOrigins,
  nowMs: number,
): { readonly freshLeftMs: number; readonly maxAgeMs: number } {
  let freshLeftMs = linksUntilMs - nowMs;
  let maxAgeMs = freshLeftMs;
  for (const { record, checkedAtMs } of records) {
    freshLeftMs = Math.min(freshLeftMs, checkedAtMs + freshForMs(record.ttlNs) - nowMs);
    maxAgeMs = Math.min(maxAgeMs, freshLeftMs, record.eolMs - nowMs);
  }
  return { freshLeftMs, maxAgeMs: Math.max(0, maxAgeMs) };
}

function bringUpToDate(entry: Entry, nowMs: number): void {
  const { headers } = entry;
  const { freshLeftMs, maxAgeMs } = reuseOf(entry, nowMs);
  const isStale = freshLeftMs <= 0;
  headers[entry.cacheControlAt] = cacheControl("content", maxAgeMs);
  headers[entry.statusAt] = isStale ? "STALE" : "HIT";
  headers[entry.cacheStatusAt] = `holdfast; hit; ttl=${Math.floor(freshLeftMs / 1000)}`;
  entry.fromMs = nowMs;
  // Until the next whole second of either number.
  entry.untilMs = nowMs + 1 + Math.min(mod(freshLeftMs, 1000), mod(maxAgeMs, 1000));
}

function mod(ms: number, by: number): number {
  return Number.isFinite(ms) ? ((ms % by) + by) % by : by;
}

function isSameRecord(a: HeldRecord, b: HeldRecord): boolean {
  return a.record === b.record || Buffer.compare(a.record.bytes, b.record.bytes) === 0;
}

/** Bytes that keep no larger buffer alive, or the bound would be a lie. */
function kept(bytes: Uint8Array): Buffer | string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength <= TEXT_BODY_BYTES_MAX) return view.toString("latin1");
  return bytes.byteLength === bytes.buffer.byteLength ? view : Buffer.from(new Uint8Array(bytes).buffer);
}
