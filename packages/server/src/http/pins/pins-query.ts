import { HoldfastError, parseCid } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { NameMatch } from "../../pins/api/api-pin.ts";
import { API_PIN_STATUSES, type ApiPinsFilter, type ApiPinStatus } from "../../pins/api/api-pins.ts";
import { metaOf, nameOf } from "./pins-body.ts";
import { queryText } from "../request-facts.ts";

const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 1_000;
const CIDS_MAX = 10;
const META_PAIRS_MAX = 20;
const MATCHES: readonly NameMatch[] = ["exact", "iexact", "partial", "ipartial"];

/**
 * The filters of `GET /pins`. An empty value is none; without `status` only what is pinned is wanted, as the specification says.
 *
 * @throws HoldfastError `INVALID_ARGUMENT`, `INVALID_CID`.
 */
export function parsePinsFilter(request: FastifyRequest): ApiPinsFilter {
  const statuses = statusesOf(request);
  return {
    statuses: statuses.length === 0 ? ["pinned"] : statuses,
    roots: rootsOf(request),
    name: nameFilterOf(request),
    meta: metaFilterOf(request),
    beforeMs: timeOf(request, "before").ceilMs,
    afterMs: timeOf(request, "after").floorMs,
    limit: limitOf(request),
  };
}

function statusesOf(request: FastifyRequest): readonly ApiPinStatus[] {
  const wanted = listOf(request, "status").map((text) => {
    const status = API_PIN_STATUSES.find((candidate) => candidate === text);
    if (status === undefined)
      throw invalid(`"status" has something else than ${API_PIN_STATUSES.join(", ")}`);
    return status;
  });
  return [...new Set(wanted)];
}

function rootsOf(request: FastifyRequest): readonly CID[] | undefined {
  const texts = [...new Set(listOf(request, "cid"))];
  if (texts.length > CIDS_MAX) throw invalid(`"cid" has more than ${CIDS_MAX} CIDs`);
  return texts.length === 0 ? undefined : texts.map((text) => parseCid(text));
}

function nameFilterOf(request: FastifyRequest): ApiPinsFilter["name"] {
  const wanted = filled(request, "match") ?? "exact";
  const match = MATCHES.find((candidate) => candidate === wanted);
  if (match === undefined) throw invalid(`"match" is not one of ${MATCHES.join(", ")}`);
  const text = nameOf(queryText(request, "name"));
  return text === undefined ? undefined : { text, match };
}

function metaFilterOf(request: FastifyRequest): ApiPinsFilter["meta"] {
  const text = filled(request, "meta");
  if (text === undefined) return undefined;
  const meta = metaOf(jsonOf(text), '"meta"');
  const pairs = Object.keys(meta).length;
  if (pairs > META_PAIRS_MAX) throw invalid(`"meta" has more than ${META_PAIRS_MAX} keys`);
  return pairs === 0 ? undefined : meta;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HoldfastError("INVALID_ARGUMENT", '"meta" is not JSON', { cause });
  }
}

function limitOf(request: FastifyRequest): number {
  const text = filled(request, "limit");
  const limit = text === undefined ? LIMIT_DEFAULT : /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw invalid(`"limit" is not a whole number from 1 to ${LIMIT_MAX}`);
}

/**
 * The whole milliseconds around a time: orders have no finer ones, but a filter may.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
function timeOf(request: FastifyRequest, parameter: string): { floorMs?: number; ceilMs?: number } {
  const text = filled(request, parameter);
  if (text === undefined) return {};
  const [, date, time, fraction = "", zone = ""] =
    /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,20}))?([Zz]|[+\- ]\d\d:\d\d)$/.exec(text) ?? [];
  // An unescaped plus in a query is a space.
  const atMs = Date.parse(`${date}T${time}${zone.toUpperCase().replace(" ", "+")}`);
  if (Number.isNaN(atMs)) throw invalid(`"${parameter}" is not a time in the form of RFC 3339`);
  const floorMs = atMs + Number(fraction.slice(0, 3).padEnd(3, "0"));
  return { floorMs, ceilMs: floorMs + (/[1-9]/.test(fraction.slice(3)) ? 1 : 0) };
}

/** The values of a comma list, which may be given in several parameters, too. */
function listOf(request: FastifyRequest, parameter: string): readonly string[] {
  const value = (request.query as Readonly<Record<string, unknown>>)[parameter];
  return [value]
    .flat()
    .flatMap((text) => (typeof text === "string" ? text.split(",") : []))
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function filled(request: FastifyRequest, parameter: string): string | undefined {
  const text = queryText(request, parameter);
  return text === "" ? undefined : text;
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
