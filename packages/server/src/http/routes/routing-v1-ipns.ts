import { createHash } from "node:crypto";
import { HoldfastError, type IpnsName, isHoldfastError, parseIpnsName } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { StoredRecord } from "../../records/record-store.ts";
import type { Records } from "../../records/records.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { acknowledge, type AckParts, ackLevelOf } from "../ack.ts";
import { putRecord, type PutRecordParts } from "../put-record.ts";
import { factsOf, headersByName, isNoneMatch, recordHeaders } from "../record-headers.ts";
import { lookupTiming, missTiming } from "../lookup-timing.ts";
import { closeSignal, isFromHoldfast, wantsFresh } from "../request-facts.ts";

const RECORD_TYPE = "application/vnd.ipfs.ipns-record";
const DEFAULT_TTL_S = 60;

/** However long its TTL, a pointer that can move is asked for again after this (protocols.md §1.5). */
const MAX_AGE_S_MAX = 60;

/** No stale window: a CDN would hide a name that was just published behind it (P5). */
const NEGATIVE_CACHE_CONTROL = "public, max-age=15";

/** The last instant that an HTTP date can say. */
const HTTP_DATE_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59);

export interface RoutingV1IpnsParts extends PutRecordParts, AckParts {
  readonly records: Pick<Records, "resolve" | "publish" | "isLookedUp">;
  readonly clock: Clock;
}

/**
 * `GET`, `HEAD`, `PUT /routing/v1/ipns/{name}`.
 *
 * @see https://specs.ipfs.tech/routing/http-routing-v1/#ipns-api and IPIP-513 for the answer to an unknown name
 */
export function routingV1IpnsRoutes(parts: RoutingV1IpnsParts) {
  return (app: FastifyInstance): void => {
    const url = "/routing/v1/ipns/:name";
    app.route({
      method: ["GET", "HEAD"],
      url,
      handler: async (request, reply) => get(parts, request, reply),
    });
    app.put(url, async (request, reply) => {
      const name = nameOf(request);
      if (!(request.headers["content-type"] ?? "").includes(RECORD_TYPE)) {
        throw new HoldfastError("NOT_ACCEPTABLE", `the body has to be ${RECORD_TYPE}`);
      }
      const level = ackLevelOf(request);
      await putRecord(parts, request, name);
      await acknowledge(parts, name, { level, reply });
      return reply.code(200).header("Cache-Control", "no-store").send();
    });
  };
}

async function get(
  parts: RoutingV1IpnsParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { records, clock } = parts;
  const name = nameOf(request);
  assertAccepts(request.headers.accept);
  const askFirst = wantsFresh(request);
  const signal = closeSignal(reply.raw);
  const startedAtMs = clock.nowMs();
  // It gets what is held, or two nodes that have each other as routers would wait for each other.
  const isOurOwn = isFromHoldfast(request) && records.isLookedUp(name);
  reply.header("Vary", "Accept");
  try {
    const ask = askFirst ? "first" : "if-absent";
    const resolution = await records.resolve(name, { signal, ask: isOurOwn ? "never" : ask });
    const { stored } = resolution;
    const nowMs = clock.nowMs();
    setTiming(reply, lookupTiming(resolution, nowMs - startedAtMs));
    const tag = `"${createHash("sha256").update(stored.record.bytes).digest("hex").slice(0, 32)}"`;
    reply.header("ETag", tag).header("Cache-Control", cacheControlOf(stored, nowMs));
    reply.headers(headersByName(recordHeaders(factsOf(resolution, nowMs, askFirst))));
    if (isNoneMatch(request.headers["if-none-match"], tag)) return await reply.code(304).send();
    reply.headers({
      "Content-Type": RECORD_TYPE,
      "Content-Disposition": `attachment; filename="${name.text}.ipns-record"`,
      Expires: httpDate(stored.record.eolMs),
      "Last-Modified": httpDate(stored.receivedAtMs),
    });
    return await reply.send(Buffer.from(stored.record.bytes));
  } catch (err) {
    if (!isHoldfastError(err) || err.code !== "RECORD_NOT_FOUND") throw err;
    setTiming(reply, missTiming(err, clock.nowMs() - startedAtMs));
    reply
      .header("Cache-Control", isOurOwn ? "no-store" : NEGATIVE_CACHE_CONTROL)
      .header("Content-Type", "text/plain; charset=utf-8");
    return reply.code(200).send("delegate error: routing: not found\n");
  }
}

function nameOf(request: FastifyRequest): IpnsName {
  return parseIpnsName((request.params as { readonly name: string }).name);
}

function setTiming(reply: FastifyReply, timing: string | undefined): void {
  if (timing !== undefined) reply.header("Server-Timing", timing);
}

/** Liberal: no `Accept` means anything. */
function assertAccepts(accept: string | undefined): void {
  const isAccepted =
    accept === undefined || [RECORD_TYPE, "application/*", "*/*"].some((type) => accept.includes(type));
  if (!isAccepted) throw new HoldfastError("NOT_ACCEPTABLE", `only ${RECORD_TYPE} is offered`);
}

/** Never beyond the EOL: `max-age` and the stale windows together end with it. */
function cacheControlOf({ record }: StoredRecord, nowMs: number): string {
  const remainingS = Math.floor((record.eolMs - nowMs) / 1000);
  if (remainingS <= 0) return "no-store";
  const ttlS =
    record.ttlNs === undefined || record.ttlNs === 0n ? DEFAULT_TTL_S : Number(record.ttlNs / 1_000_000_000n);
  const maxAgeS = Math.max(0, Math.min(ttlS, remainingS, MAX_AGE_S_MAX));
  const staleS = remainingS - maxAgeS;
  return `public, max-age=${maxAgeS}, stale-while-revalidate=${staleS}, stale-if-error=${staleS}`;
}

function httpDate(ms: number): string {
  return new Date(Math.min(ms, HTTP_DATE_MS_MAX)).toUTCString();
}
