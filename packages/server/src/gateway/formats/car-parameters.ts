import { HoldfastError } from "@holdfast/core";
import type { ByteRange } from "../byte-range.ts";
import type { Wish } from "../select-format.ts";

/** Which bytes of a file are wanted; negative numbers count from its end, `to` is included, undefined is the end. */
export interface EntityBytes {
  readonly from: number;
  readonly to: number | undefined;
}

export interface CarParameters {
  readonly scope: "block" | "entity" | "all";
  readonly entityBytes: EntityBytes | undefined;
  readonly order: "dfs" | "unk";
  readonly dups: "y" | "n";
}

/**
 * What a request says about a CAR: `dag-scope` and `entity-bytes` in its URL; version, order and duplicates in its URL or in the
 * parameters of `Accept`, of which the URL counts more (IPIP-523). `entity-bytes` alone means `dag-scope=entity`.
 *
 * @throws HoldfastError `INVALID_ARGUMENT`.
 * @see https://specs.ipfs.tech/http-gateways/trustless-gateway/#car-responses-application-vnd-ipld-car
 */
export function parseCarParameters(query: URLSearchParams, wish: Wish): CarParameters {
  // An empty parameter of these three counts as absent, as for Kubo.
  const chosen = (name: string): string | undefined =>
    query.get(`car-${name}`) || wish.parameters.get(name) || undefined;
  const range = query.get("entity-bytes");
  oneOf("car-version", chosen("version"), ["1"], "1");
  return {
    scope: oneOf(
      "dag-scope",
      query.get("dag-scope") ?? undefined,
      ["block", "entity", "all"],
      range === null ? "all" : "entity",
    ),
    entityBytes: range === null ? undefined : parseEntityBytes(range),
    order: oneOf("car-order", chosen("order"), ["dfs", "unk"], "dfs"),
    dups: oneOf("car-dups", chosen("dups"), ["y", "n"], "n"),
  };
}

function oneOf<T extends string>(
  name: string,
  text: string | undefined,
  known: readonly T[],
  fallback: T,
): T {
  if (text === undefined) return fallback;
  const value = known.find((one) => one === text);
  if (value === undefined) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `${name} must be one of ${known.join(", ")}, not ${JSON.stringify(text.slice(0, 50))}`,
    );
  }
  return value;
}

/**
 * `from:to` or `from:*`.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for another form, and for an end that is known to lie before the beginning.
 * @see https://specs.ipfs.tech/http-gateways/trustless-gateway/#entity-bytes-request-query-parameter
 */
export function parseEntityBytes(text: string): EntityBytes {
  const [, from, to] = /^(-?\d{1,15}):(-?\d{1,15}|\*)$/.exec(text) ?? [];
  if (from === undefined || to === undefined) {
    throw new HoldfastError("INVALID_ARGUMENT", "entity-bytes must be from:to or from:*, both whole numbers");
  }
  const range = { from: Number(from), to: to === "*" ? undefined : Number(to) };
  const isComparable = range.to !== undefined && range.from < 0 === range.to < 0;
  if (range.to !== undefined && isComparable && range.to < range.from) {
    throw new HoldfastError("INVALID_ARGUMENT", "entity-bytes ends before it begins");
  }
  return range;
}

/** The range within a file of `size` bytes; undefined when nothing of it lies there. */
export function rangeWithin({ from, to }: EntityBytes, size: number): ByteRange | undefined {
  const first = from < 0 ? Math.max(0, size + from) : from;
  const last = to === undefined ? size - 1 : Math.min(size - 1, to < 0 ? size + to : to);
  return first > last || first >= size ? undefined : { first, last };
}
