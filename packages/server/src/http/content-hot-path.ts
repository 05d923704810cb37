import type { IncomingMessage, ServerResponse } from "node:http";
import { parseRange } from "../gateway/byte-range.ts";
import { isSameRange, matchesEtag } from "../gateway/etags.ts";
import type { CachedResponse } from "../gateway/response-cache.ts";
import type { Clock } from "../telemetry/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ContentCache } from "./content-cache.ts";
import type { HotPath } from "./hot-path.ts";
import type { Limits } from "./limits.ts";

export interface ContentHotPathParts {
  readonly cache: ContentCache;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** The headers of a request that matter here. */
interface Wishes {
  accept: string | undefined;
  ifNoneMatch: string | undefined;
  ifRange: string | undefined;
  range: string | undefined;
  /** The client wants the network to be asked: under `/ipns`, what is kept is no answer. */
  insists: boolean;
  /** By date only; a tag counts more. */
  ifModifiedSince: boolean;
  hasHost: boolean;
}

/**
 * Answers `GET` and `HEAD` of content from the response cache before the framework sees them, whole, in one range, or with a
 * 304. What needs a decision is left to the slow path, which may keep its answer for the next time.
 */
export function createContentHotPath({ cache, limits, clock, metrics }: ContentHotPathParts): HotPath {
  return (request, response, scope) => {
    const { method, url = "" } = request;
    if ((method !== "GET" && method !== "HEAD") || (scope === "" && !isContentTarget(url))) return false;
    const wishes = wishesOf(request);
    if (wishes === undefined) return false;
    const key = cache.keyOf(scope + url, wishes.accept);
    if (key === undefined) return false;
    const nowMs = clock.nowMs();
    const kept = cache.responses.get(key, nowMs);
    const send = kept === undefined ? undefined : planOf(kept, wishes, method === "HEAD");
    if (send === undefined) {
      cache.noteMiss(request, key);
      return false;
    }
    if (!limits.takeRead(request, nowMs)) return false;
    metrics.http.hotPath++;
    metrics.content.responsesFromCache++;
    send(response);
    return true;
  };
}

/** On a host that changes nothing, only these are content. */
function isContentTarget(url: string): boolean {
  return url.startsWith("/ipfs/") || url.startsWith("/ipns/");
}

type Send = (response: ServerResponse) => void;

function planOf(kept: CachedResponse, wishes: Wishes, isHead: boolean): Send | undefined {
  if (kept.isMutable && wishes.insists) return undefined;
  if (wishes.ifNoneMatch !== undefined) {
    const isMatch = kept.etag !== undefined && matchesEtag(wishes.ifNoneMatch, [kept.etag]);
    // A listing has more tags than the one it shows; the slow path knows them.
    return isMatch ? (response) => sendNotModified(response, kept) : undefined;
  }
  if (wishes.ifModifiedSince && kept.lastModified !== undefined) return undefined;
  if (wishes.range !== undefined && kept.hasRanges && isCurrent(wishes, kept)) {
    return isHead ? undefined : planOfRange(kept, wishes.range);
  }
  return isHead
    ? (response) => response.writeHead(200, kept.headers).end()
    : (response) => sendWhole(response, kept);
}

function isCurrent({ ifRange }: Wishes, { etag = "", lastModified }: CachedResponse): boolean {
  return isSameRange(ifRange, { etag, lastModified });
}

function planOfRange(kept: CachedResponse, header: string): Send | undefined {
  const ranges = parseRange(header, kept.bodyBytes);
  if (ranges === "everything") return (response) => sendWhole(response, kept);
  const [range] = ranges;
  if (typeof ranges === "string" || ranges.length !== 1 || typeof range !== "object") return undefined;
  const { first, last } = range;
  return (response) => {
    const headers = withoutHeaders(kept.headers, LENGTH);
    headers.push("content-length", String(last - first + 1));
    headers.push("content-range", `bytes ${first}-${last}/${kept.bodyBytes}`);
    const body = typeof kept.body === "string" ? Buffer.from(kept.body, "latin1") : kept.body;
    response.writeHead(206, headers).end(body.subarray(first, last + 1));
  };
}

function sendWhole(response: ServerResponse, { headers, body }: CachedResponse): void {
  response.writeHead(200, headers);
  if (typeof body === "string") response.end(body, "latin1");
  else response.end(body);
}

function sendNotModified(response: ServerResponse, { headers }: CachedResponse): void {
  response.writeHead(304, withoutHeaders(headers, OF_THE_BODY)).end();
}

const LENGTH: ReadonlySet<string> = new Set(["content-length"]);
/** What the slow path says of a body only when it sends one. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  "content-length",
  "content-type",
  "accept-ranges",
  "content-security-policy",
]);

function withoutHeaders(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (!names.has(headers[i] ?? "")) kept.push(headers[i] ?? "", headers[i + 1] ?? "");
  }
  return kept;
}

/**
 * Undefined when the request has something that only the slow path understands. Reads the raw headers: the parsed object
 * costs more than everything else here.
 */
function wishesOf({ rawHeaders }: IncomingMessage): Wishes | undefined {
  const wishes: Wishes = {
    accept: undefined,
    ifNoneMatch: undefined,
    ifRange: undefined,
    range: undefined,
    insists: false,
    ifModifiedSince: false,
    hasHost: false,
  };
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (!isOfInterest(name.length)) continue;
    if (!take(wishes, name.toLowerCase(), rawHeaders[i + 1] ?? "")) return undefined;
  }
  return wishes.hasHost ? wishes : undefined;
}

/** Most headers are passed over by their length alone: `user-agent`, `connection`, `accept-encoding`, … */
function isOfInterest(length: number): boolean {
  return (length >= 4 && length <= 6) || length === 8 || length === 10 || (length >= 13 && length <= 17);
}

/** False when the header, or having it twice, is for the slow path. */
function take(wishes: Wishes, name: string, value: string): boolean {
  switch (name) {
    case "host":
      wishes.hasHost = true;
      return true;
    case "accept":
      wishes.accept = wishes.accept === undefined ? value : `${wishes.accept}, ${value}`;
      return true;
    case "if-none-match":
      return takeOnce(wishes, "ifNoneMatch", value);
    case "if-range":
      return takeOnce(wishes, "ifRange", value);
    case "range":
      return takeOnce(wishes, "range", value);
    case "x-no-cache":
      wishes.insists = true;
      return true;
    case "cache-control":
      wishes.insists ||= /no-cache/i.test(value);
      return !/only-if-cached/i.test(value);
    case "if-modified-since":
      wishes.ifModifiedSince = true;
      return true;
    case "content-length":
      return value === "0";
    case "transfer-encoding":
    case "service-worker":
      return false;
    default:
      return true;
  }
}

function takeOnce(wishes: Wishes, name: "ifNoneMatch" | "ifRange" | "range", value: string): boolean {
  if (wishes[name] !== undefined) return false;
  wishes[name] = value;
  return true;
}
