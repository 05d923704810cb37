import type { GatewayAnswer } from "./answer.ts";
import type { ContentRequest } from "./content-request.ts";

/**
 * | What | under `/ipfs` | under `/ipns` |
 * |---|---|---|
 * | `content`: the bytes that a CID names, in any format | for ever | as long as the record may be reused, at most 30 s |
 * | `page`: a listing or preview made here, whose form may change | a week, stale for a month | the same as content |
 * | `redirect`: to the slash of a directory | a day | the same as content |
 * | errors, 412, 416 | `no-store`, always | `no-store`, always |
 *
 * @see protocols.md §4.5
 */
export type CachePolicy = "content" | "page" | "redirect";

const CACHE_CONTROL: Readonly<Record<CachePolicy, string>> = {
  // 48 weeks, boxo's number.
  content: "public, max-age=29030400, immutable",
  page: "public, max-age=604800, stale-while-revalidate=2678400",
  redirect: "public, max-age=86400",
};

/** However long a record may be reused, a client asks again after this: a new one must become visible. */
const NAME_MAX_AGE_MS = 30_000;

/** @param nameMaxAgeMs how long the record behind the name may be reused; `undefined` under `/ipfs`. */
export function cacheControl(policy: CachePolicy, nameMaxAgeMs: number | undefined): string {
  if (nameMaxAgeMs === undefined) return CACHE_CONTROL[policy];
  return maxAge(Math.min(nameMaxAgeMs, NAME_MAX_AGE_MS));
}

/** Rounded down: rounding up would let a cache reuse a record past its end. */
export function maxAge(ms: number): string {
  return `public, max-age=${Math.max(0, Math.floor(ms / 1000))}`;
}

/**
 * A URL without `?format` means different things to clients with different `Accept` headers; and with `?format=car`, the
 * header may still choose the order and the duplicates.
 */
export function varyOf({ path }: ContentRequest): Readonly<Record<string, string>> {
  const format = path.query.get("format");
  const isDecidedByUrl =
    format !== null && (format !== "car" || (path.query.has("car-order") && path.query.has("car-dups")));
  return isDecidedByUrl ? {} : { vary: "Accept" };
}

/** A redirect. `location` is made safe by the caller. */
export function redirect(status: 301 | 302, location: string, nameMaxAgeMs?: number): GatewayAnswer {
  return {
    status,
    headers: {
      location,
      "cache-control": cacheControl("redirect", nameMaxAgeMs),
      "content-length": "0",
    },
    body: new Uint8Array(),
  };
}
