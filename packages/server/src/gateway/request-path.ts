import { type ContentPath, parseContentPath } from "@holdfast/core";

/** A content path as a client asked for it. */
export interface RequestPath extends ContentPath {
  readonly hasTrailingSlash: boolean;
  /** The path part of the URL, never decoded, escapes in upper case: for redirects and links. */
  readonly encoded: string;
  readonly query: URLSearchParams;
  /** With its `?`, or empty. */
  readonly queryText: string;
}

/**
 * Reads a request target `/ipfs/{cid}[/path][?query]` or `/ipns/{name}[/path][?query]`, which nothing may have normalised: a
 * name that contains `%2C` is asked for as `%252C`.
 *
 * @throws HoldfastError `INVALID_PATH`.
 */
export function parseRequestPath(target: string): RequestPath {
  const url = splitTarget(target);
  return { ...parseContentPath(url.encoded), hasTrailingSlash: url.encoded.endsWith("/"), ...url };
}

/** The parts of a request target that are needed before it is known to be a content path. Never throws. */
export function splitTarget(target: string): Pick<RequestPath, "encoded" | "query" | "queryText"> {
  const queryAt = target.indexOf("?");
  const encoded = queryAt < 0 ? target : target.slice(0, queryAt);
  const queryText = queryAt < 0 ? "" : target.slice(queryAt);
  return { encoded: normalEscapes(encoded), query: new URLSearchParams(queryText), queryText };
}

/** `/ipfs/{cid}/a/b`, decoded: how the path is shown and what `X-Ipfs-Path` says. */
export function displayPath(path: RequestPath): string {
  return `/${[path.namespace, path.root, ...path.segments].join("/")}${path.hasTrailingSlash ? "/" : ""}`;
}

/**
 * A text that is safe in a `Location` or `Content-Location`: printable ASCII, and never `//host`, which would lead to another
 * origin.
 */
export function locationText(url: string): string {
  return url
    .replace(/^\/{2,}/, "/")
    .replaceAll(/[^\x21-\x7e]|["<>\\]/gu, (character) => encodeURIComponent(character.toWellFormed()));
}

/** Raw UTF-8 is escaped (Node gives it byte by byte as latin1), and hex digits are in upper case, as Go writes them. */
function normalEscapes(path: string): string {
  return path
    .replaceAll(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`)
    .replaceAll(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
}
