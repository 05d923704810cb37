import { createHash } from "node:crypto";
import { HoldfastError, type IpnsName, isHoldfastError, parseIpnsName } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Ask } from "../../records/lookup/ask.ts";
import { parseInstant, recordAt, type RecordAt } from "../../records/name-history.ts";
import type { PropagationStatusSource } from "../../records/keep-alive/propagation-status.ts";
import { HISTORY_RECORDS_MAX, type StoredRecord } from "../../records/record-store.ts";
import type { Records, Resolution } from "../../records/records.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { sendJsonLine } from "../json-line.ts";
import { isoOf, viewAnomaly, viewHistoryEntry, viewName, viewPropagation, viewRecord } from "../name-view.ts";
import { ageS, isNoneMatch } from "../record-headers.ts";
import { closeSignal, mayAskFirst, queryText } from "../request-facts.ts";

export interface NamesParts {
  readonly records: Pick<Records, "resolve" | "freshnessOf" | "history" | "anomaliesOf">;
  /** Absent: nothing is known about propagation. */
  readonly propagation?: PropagationStatusSource | undefined;
  readonly clock: Clock;
}

/**
 * `GET`, `HEAD /names/{name}` and `/names/{name}/history`: what is known here about a name, as JSON for people. With `at` the same
 * as of an earlier instant. The network is asked only if `ask` says so.
 */
export function namesRoutes(parts: NamesParts) {
  return (app: FastifyInstance): void => {
    const method = ["GET", "HEAD"];
    app.route({
      method,
      url: "/names/:name",
      handler: async (request, reply) => answer(request, reply, await describe(parts, request, reply)),
    });
    app.route({
      method,
      url: "/names/:name/history",
      handler: async (request, reply) => answer(request, reply, describeHistory(parts, request)),
    });
  };
}

type Description = Readonly<Record<string, unknown>>;

async function describe(
  parts: NamesParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Description> {
  const { records, clock, propagation } = parts;
  const name = nameOf(request);
  const atMs = instantOf(request, clock.nowMs());
  const ask = askOf(request);
  if (atMs !== undefined) {
    if (ask !== "never") throw invalid("at looks back at what is held here: it cannot be combined with ask");
    return describePast(name, recordAt(records.history(name), atMs), atMs);
  }
  const { stored, answeredFrom } = await resolve(parts, name, { signal: closeSignal(reply.raw), ask });
  const anomalies = await records.anomaliesOf(name);
  const status = propagation?.propagationOf(name);
  const nowMs = clock.nowMs();
  return {
    ...viewName(name),
    record: viewRecord(name, stored.record, nowMs),
    receivedAt: isoOf(stored.receivedAtMs),
    origin: stored.origin,
    answeredFrom,
    freshness: freshnessOf(records, stored, nowMs),
    propagation: status === undefined ? null : viewPropagation(status),
    anomalies: anomalies.map(viewAnomaly),
  };
}

async function resolve(
  { records, clock }: NamesParts,
  name: IpnsName,
  options: { readonly signal: AbortSignal; readonly ask: Ask },
): Promise<Resolution> {
  try {
    return await records.resolve(name, options);
  } catch (err) {
    const found = recordAt(records.history(name), clock.nowMs());
    if (!isHoldfastError(err) || err.code !== "RECORD_NOT_FOUND" || found.kind !== "expired") throw err;
    throw new HoldfastError("RECORD_NOT_FOUND", reasonOf(found), { cause: err });
  }
}

function describePast(name: IpnsName, found: RecordAt, atMs: number): Description {
  if (found.kind !== "record") throw notFoundAt(found, atMs);
  const { record, receivedAtMs, origin } = found.entry;
  return {
    ...viewName(name),
    at: isoOf(atMs),
    record: viewRecord(name, record, atMs),
    receivedAt: isoOf(receivedAtMs),
    origin,
  };
}

/** With `at` what was stored by then, with the record that was current marked. Expired ones are marked, too, and never current. */
function describeHistory({ records, clock }: NamesParts, request: FastifyRequest): Description {
  const name = nameOf(request);
  const nowMs = clock.nowMs();
  const atMs = instantOf(request, nowMs);
  const instantMs = atMs ?? nowMs;
  const kept = records.history(name);
  if (kept.length === 0) throw new HoldfastError("RECORD_NOT_FOUND", "no record of this name came here");
  const found = recordAt(kept, instantMs);
  if (atMs !== undefined && (found.kind === "unknown" || found.kind === "not-kept"))
    throw notFoundAt(found, atMs);
  const current = found.kind === "record" ? found.entry : undefined;
  const shown = atMs === undefined ? kept : kept.filter(({ receivedAtMs }) => receivedAtMs <= atMs);
  return {
    ...viewName(name),
    ...(atMs === undefined ? {} : { at: isoOf(atMs) }),
    recordsMax: HISTORY_RECORDS_MAX,
    records: shown.map((entry) =>
      viewHistoryEntry(name, entry, { nowMs: instantMs, isCurrent: entry === current }),
    ),
  };
}

function freshnessOf(records: NamesParts["records"], stored: StoredRecord, nowMs: number): Description {
  return {
    state: records.freshnessOf(stored, nowMs),
    checkedAt: isoOf(stored.checkedAtMs),
    ageSeconds: ageS(stored, nowMs),
  };
}

/** A browser may keep the answer but has to ask each time. The tag is weak: ages differ between answers that are the same. */
function answer(request: FastifyRequest, reply: FastifyReply, description: Description): FastifyReply {
  const stable = JSON.stringify(description, (key, value: unknown) =>
    key === "ageSeconds" ? undefined : value,
  );
  const tag = `W/"${createHash("sha256").update(stable).digest("base64url").slice(0, 24)}"`;
  reply.header("ETag", tag).header("Cache-Control", "no-cache");
  if (isNoneMatch(request.headers["if-none-match"], tag)) return reply.code(304).send();
  return sendJsonLine(reply, description);
}

function nameOf(request: FastifyRequest): IpnsName {
  return parseIpnsName((request.params as { readonly name: string }).name);
}

function instantOf(request: FastifyRequest, nowMs: number): number | undefined {
  const text = queryText(request, "at");
  if (text === undefined) return undefined;
  // An unescaped + of a time zone arrives as a space.
  const atMs = parseInstant(text.replace(/ (?=\d{2}:\d{2}$)/, "+"));
  if (atMs === undefined) throw invalid("at is neither RFC 3339 nor milliseconds since 1970");
  if (atMs > nowMs) throw invalid("at lies in the future");
  return atMs;
}

function askOf(request: FastifyRequest): Ask {
  const ask = queryText(request, "ask") ?? "never";
  if (ask === "first") return mayAskFirst(request) ? "first" : "if-absent";
  if (ask === "if-absent" || ask === "never") return ask;
  throw invalid("ask is not one of never, if-absent, first");
}

function notFoundAt(found: Exclude<RecordAt, { readonly kind: "record" }>, atMs: number): HoldfastError {
  return new HoldfastError("RECORD_NOT_FOUND", `at ${isoOf(atMs)}: ${reasonOf(found)}`);
}

function reasonOf(found: Exclude<RecordAt, { readonly kind: "record" }>): string {
  if (found.kind === "expired") {
    const { sequence, eolMs } = found.entry.record;
    return `the last record, with sequence ${sequence}, had expired at ${isoOf(eolMs)}`;
  }
  if (found.kind === "not-kept") {
    return `what was current then is not kept; the oldest record kept here came at ${isoOf(found.sinceMs)}`;
  }
  return found.sinceMs === undefined
    ? "no record of this name came here"
    : `no record had come here yet; the first one came at ${isoOf(found.sinceMs)}`;
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
