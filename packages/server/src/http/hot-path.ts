import type { IncomingMessage, ServerResponse } from "node:http";
import { freshForMs, type IpnsName, parseIpnsName } from "@holdfast/core";
import type { Records } from "../records/records.ts";
import type { StoredRecord } from "../records/record-store.ts";
import type { Clock } from "../telemetry/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { CORS_HEADERS } from "./cors.ts";
import { Generations } from "./generations.ts";
import type { Limits } from "./limits.ts";
import { ageS, routingGetBody, routingGetHeaders } from "./record-headers.ts";

/**
 * The answer that must be as fast as the platform: `routing/get` of a record that is held. It is tried before the framework
 * sees the request (`speed.md` has the measurements), and answers only what needs no decision: everything else is handed on.
 */

export interface HotPathParts {
  readonly records: Pick<Records, "peek" | "freshnessOf">;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/**
 * Answers the request and returns true, or leaves it untouched and returns false.
 *
 * @param scope empty when the host changes nothing; otherwise only content is here, and this is the host.
 */
export type HotPath = (request: IncomingMessage, response: ServerResponse, scope: string) => boolean;

const PREFIX = "/api/v0/routing/get?arg=";

/** The longest spelling of a name, escaped, is under this; nothing longer is worth a look. */
const ARG_LENGTH_MAX = 384;

/** Spellings whose names are known, in each of two generations; 0.3 KiB each. */
const NAMES_MAX = 32_768;

/** Finished answers in each of two generations. With the largest body 3 KiB each, 25 MiB in all. */
const ANSWERS_MAX = 4_096;
const KEPT_BODY_LENGTH_MAX = 2_048;

/** A finished answer. Its headers are written over as time passes. */
interface Answer {
  readonly name: IpnsName;
  readonly stored: StoredRecord;
  readonly headers: string[];
  /** Where in `headers` the values stand that change. */
  readonly ageAt: number;
  readonly staleAt: number;
  readonly statusAt: number;
  readonly body: string;
  /** While the age in the headers is right, and the staleness too. */
  fromMs: number;
  untilMs: number;
}

export function createHotPath({ records, limits, clock, metrics }: HotPathParts): HotPath {
  const names = new Generations<IpnsName>(NAMES_MAX);
  const answers = new Generations<Answer>(ANSWERS_MAX);
  return (request, response, scope) => {
    const url = request.url ?? "";
    if (scope !== "" || !url.startsWith(PREFIX) || !isPlain(request)) return false;
    const tail = url.indexOf("&", PREFIX.length);
    const arg = tail < 0 ? url.slice(PREFIX.length) : url.slice(PREFIX.length, tail);
    let answer = answers.get(arg);
    const name = answer?.name ?? nameOf(arg, names);
    if (name === undefined) return false;
    const stored = records.peek(name);
    if (stored === undefined) return false;
    const nowMs = clock.nowMs();
    if (!limits.takeRead(request, nowMs)) return false;
    if (answer?.stored !== stored) {
      answer = answerOf(name, stored);
      if (answer.body.length <= KEPT_BODY_LENGTH_MAX) answers.set(arg, answer);
    }
    if (nowMs >= answer.untilMs || nowMs < answer.fromMs) bringUpToDate(answer, records, nowMs);
    metrics.http.hotPath++;
    response.writeHead(200, answer.headers);
    response.end(answer.body, "latin1");
    return true;
  };
}

function answerOf(name: IpnsName, stored: StoredRecord): Answer {
  const body = routingGetBody(stored.record.bytes);
  const facts = { stored, stale: false, cacheStatus: "HIT", nowMs: stored.checkedAtMs } as const;
  const headers = [...CORS_HEADERS, ...routingGetHeaders(facts, body)];
  const valueOf = (header: string): number => headers.indexOf(header) + 1;
  return {
    name,
    stored,
    headers,
    ageAt: valueOf("X-IPNS-Age"),
    staleAt: valueOf("X-IPNS-Stale"),
    statusAt: valueOf("X-Cache-Status"),
    body,
    fromMs: 0,
    untilMs: 0,
  };
}

function bringUpToDate(answer: Answer, records: Pick<Records, "freshnessOf">, nowMs: number): void {
  const { headers, stored } = answer;
  const stale = records.freshnessOf(stored, nowMs) !== "fresh";
  headers[answer.ageAt] = String(ageS(stored, nowMs));
  headers[answer.staleAt] = stale ? "true" : "false";
  headers[answer.statusAt] = stale ? "STALE" : "HIT";
  const { checkedAtMs, record } = stored;
  const sinceCheckedMs = Math.max(0, nowMs - checkedAtMs);
  const nextSecondMs = nowMs + 1000 - (sinceCheckedMs % 1000);
  answer.fromMs = nowMs;
  answer.untilMs = stale ? nextSecondMs : Math.min(nextSecondMs, checkedAtMs + freshForMs(record.ttlNs));
}

/** Undefined when the text is not a name; the slow path says what is wrong with it. */
function nameOf(arg: string, names: Generations<IpnsName>): IpnsName | undefined {
  if (arg.length > ARG_LENGTH_MAX) return undefined;
  const known = names.get(arg);
  if (known !== undefined) return known;
  try {
    const name = parseIpnsName(decodeURIComponent(arg));
    names.set(arg, name);
    return name;
  } catch {
    // Malformed escapes and names are refused by the route, with the reason.
    return undefined;
  }
}

/**
 * Whether it is a GET or a POST without body that takes what is held. Reads the raw headers: the parsed object costs more
 * than everything else here.
 */
function isPlain(request: IncomingMessage): boolean {
  const { method, rawHeaders } = request;
  if (method !== "GET" && method !== "POST") return false;
  let namesHost = false;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const key = rawHeaders[i] ?? "";
    switch (key.length) {
      case 4:
        if (key === "Host" || key === "host") namesHost = true;
        break;
      case 10:
        if (key.toLowerCase() === "x-no-cache") return false;
        break;
      case 13:
        if (isCacheHeader(key.toLowerCase())) return false;
        break;
      case 14:
        if (key.toLowerCase() === "content-length" && rawHeaders[i + 1] !== "0") return false;
        break;
      case 17:
        if (key.toLowerCase() === "transfer-encoding") return false;
        break;
      default:
    }
  }
  return namesHost;
}

function isCacheHeader(key: string): boolean {
  return key === "cache-control" || key === "if-none-match";
}
