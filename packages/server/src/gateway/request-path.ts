import { type ContentPath, parseContentPath } from "@holdfast/core";

/** A content path as a client asked for it. */
export interface RequestPath extends ContentPath {
  readonly hasTrailingSlash: boolean;
  /** The path part of the URL, untouched: for redirects. */
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
  const queryAt = target.indexOf("?");
  const encoded = queryAt < 0 ? target : target.slice(0, queryAt);
  const queryText = queryAt < 0 ? "" : target.slice(queryAt);
  return {
    ...parseContentPath(encoded),
    hasTrailingSlash: encoded.endsWith("/"),
    encoded,
    query: new URLSearchParams(queryText),
    queryText,
  };
}
