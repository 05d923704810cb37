import type { CID } from "multiformats/cid";
import { contentDisposition, type GatewayAnswer, headerText } from "./answer.ts";
import { type CachePolicy, cacheControl, redirect, varyOf } from "./caching.ts";
import type { ContentRequest } from "./content-request.ts";
import { displayPath, locationText } from "./request-path.ts";
import type { Retrieval } from "./retrieval.ts";
import type { Wish } from "./select-format.ts";

/** A request whose name, if it had one, is resolved: what every format starts from. */
export interface Target {
  readonly request: ContentRequest;
  readonly wish: Wish;
  readonly retrieval: Retrieval;
  readonly root: CID;
  /** The names below the root, those in the record's value first. */
  readonly segments: readonly string[];
  /** How long the record behind the name may be reused; `undefined` under `/ipfs`. */
  readonly nameMaxAgeMs: number | undefined;
}

/** Above it the header says only where the path begins and ends: it must not outgrow what clients take. */
const ROOTS_MAX = 128;

/** What the answers to one request have in common, whatever the format. */
export function targetHeaders(
  target: Target,
  roots: readonly CID[],
  policy: CachePolicy = "content",
): Readonly<Record<string, string>> {
  return {
    "cache-control": cacheControl(policy, target.nameMaxAgeMs),
    "x-ipfs-roots": rootsText(roots),
    ...requestHeaders(target.request, target.wish),
  };
}

function rootsText(roots: readonly CID[]): string {
  return (roots.length > ROOTS_MAX ? [roots[0], roots.at(-1)] : roots).join(",");
}

/** To the same URL with a slash at its end, where links on a page are relative to what it shows. The query is kept. */
export function redirectToSlash({ request, nameMaxAgeMs }: Target, roots: readonly CID[]): GatewayAnswer {
  const { path } = request;
  const answer = redirect(301, locationText(`${path.encoded}/${path.queryText}`), nameMaxAgeMs);
  const headers = {
    ...answer.headers,
    "x-ipfs-path": headerText(displayPath(path)),
    "x-ipfs-roots": rootsText(roots),
    ...varyOf(request),
  };
  return { ...answer, headers };
}

/**
 * For what has one media type and no other, and for our own pages. Not for files: a script without an extension is sniffed as
 * text, and browsers would refuse to run it, while it runs from other gateways.
 */
export const NOSNIFF: Readonly<Record<string, string>> = { "x-content-type-options": "nosniff" };

/** What is known before the path is resolved. */
export function requestHeaders(request: ContentRequest, wish: Wish): Readonly<Record<string, string>> {
  return {
    "x-ipfs-path": headerText(displayPath(request.path)),
    // The gateway specifications want these on answers, not only on preflights.
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "Content-Type, Range, User-Agent, X-Requested-With",
    ...varyOf(request),
    ...contentLocationOf(request, wish),
  };
}

/** A format that was chosen by `Accept` has its own URL, which caches may use. Parameters in the same order as boxo's. */
function contentLocationOf({ path }: ContentRequest, wish: Wish): Readonly<Record<string, string>> {
  if (wish.format === "default" || wish.isInUrl) return {};
  const query = new URLSearchParams(path.query);
  query.set("format", wish.format);
  for (const [name, value] of wish.parameters) {
    const parameter = `${wish.format}-${name}`;
    if (!query.has(parameter)) query.set(parameter, value);
  }
  query.sort();
  return { "content-location": locationText(`${path.encoded}?${query.toString()}`) };
}

/** `?filename=`, if it says something. */
export function filenameOf({ path }: ContentRequest): string | undefined {
  const filename = path.query.get("filename");
  return filename === null || filename === "" ? undefined : filename;
}

/** @param fallback the name of the file when the client gives none. */
export function attachmentHeaders(
  request: ContentRequest,
  fallback: string,
): Readonly<Record<string, string>> {
  return { "content-disposition": contentDisposition("attachment", filenameOf(request) ?? fallback) };
}

export function isDownload({ path }: ContentRequest): boolean {
  return path.query.get("download") === "true";
}
