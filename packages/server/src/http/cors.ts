import type { ServerResponse } from "node:http";

/**
 * The only place that knows the CORS headers (R35). They are put on the response before anything else sees it, so that
 * refusals, the framework's own errors and the hot path carry exactly one of each, whatever the status.
 */

const EXPOSED_HEADERS = [
  "Content-Length",
  "Content-Range",
  "ETag",
  "Retry-After",
  "X-Ipfs-Path",
  "X-Ipfs-Roots",
  "X-IPNS-Source",
  "X-IPNS-Sequence",
  "X-IPNS-Last-Updated",
  "X-IPNS-Age",
  "X-IPNS-Stale",
  "X-Cache-Status",
  "X-Sidecar-Cache",
  "X-Stream-Output",
  "X-Chunked-Output",
  "X-Content-Length",
  "Server-Timing",
  "X-Holdfast-Ack",
  "X-Holdfast-Reached",
];

const ALLOWED_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

const ALLOWED_HEADERS = [
  "Content-Type",
  "Accept",
  "Range",
  "X-No-Cache",
  "If-Match",
  "If-None-Match",
  "Cache-Control",
  "Authorization",
  "X-Holdfast-Ack",
  "Last-Event-ID",
  // The gateway specifications ask for these two.
  "User-Agent",
  "X-Requested-With",
];

const PREFLIGHT_MAX_AGE_S = 86_400;

/** Name and value by turns, as `writeHead` takes them. On every answer of the public listener, with `Origin` or without. */
export const CORS_HEADERS: readonly string[] = [
  "Access-Control-Allow-Origin",
  "*",
  "Access-Control-Expose-Headers",
  EXPOSED_HEADERS.join(", "),
];

export function applyCors(response: ServerResponse): void {
  for (let i = 0; i + 1 < CORS_HEADERS.length; i += 2) {
    response.setHeader(CORS_HEADERS[i] ?? "", CORS_HEADERS[i + 1] ?? "");
  }
}

/** Answers `OPTIONS` on any path. The response already carries {@link CORS_HEADERS}. */
export function answerPreflight(response: ServerResponse): void {
  response.setHeader("Access-Control-Allow-Methods", ALLOWED_METHODS.join(", "));
  response.setHeader("Access-Control-Allow-Headers", ALLOWED_HEADERS.join(", "));
  response.setHeader("Access-Control-Max-Age", String(PREFLIGHT_MAX_AGE_S));
  response.writeHead(204).end();
}
