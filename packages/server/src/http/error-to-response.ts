import { type ErrorCode, HoldfastError, isHoldfastError } from "@holdfast/core";
import { ERROR_PAGE_POLICY, renderErrorPage } from "../gateway/error-page.ts";

/** The status of each code, and the only place that decides it. A new code without a status does not compile. */
export const STATUS_BY_CODE = {
  INVALID_NAME: 400,
  INVALID_CID: 400,
  INVALID_PATH: 400,
  INVALID_ARGUMENT: 400,
  RECORD_INVALID: 400,
  RECORD_SUPERSEDED: 400,
  SEQUENCE_CONFLICT: 412,
  EVENT_INVALID: 400,
  AUTHOR_REFUSED: 403,
  RECORD_NOT_FOUND: 404,
  CONTENT_NOT_FOUND: 404,
  CONTENT_UNSUPPORTED: 406,
  CONTENT_FIELD_UNSUPPORTED: 501,
  CONTENT_NOT_HELD: 412,
  INDEX_NOT_A_FILE: 422,
  // Not 404: Kubo's command line takes that for a command that is not offered.
  NOT_PINNED: 409,
  PIN_NOT_FOUND: 404,
  INSUFFICIENT_FUNDS: 409,
  BODY_TOO_LARGE: 413,
  BODY_UNSUPPORTED: 415,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  WRITES_CLOSED: 403,
  UNAUTHORIZED: 401,
  METHOD_NOT_ALLOWED: 405,
  ROUTE_NOT_FOUND: 404,
  NOT_ACCEPTABLE: 406,
  UPSTREAM_TIMEOUT: 504,
  BACKEND_UNAVAILABLE: 503,
  STORE_FAILED: 503,
  SHUTTING_DOWN: 503,
} as const satisfies Record<ErrorCode, number>;

/** Kubo's own numbers for `Code`: 1 the client's fault, 3 rate-limited, 4 forbidden, 0 everything else. */
const KUBO_CODE_BY_STATUS: ReadonlyMap<number, number> = new Map([
  [401, 4],
  [403, 4],
  [429, 3],
]);

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Set when the failure is ours: to be logged with `requestId`. The client sees nothing of it. */
  readonly unexpected: boolean;
}

export interface FailedRequest {
  /** Path with query, as it came in. */
  readonly url: string;
  readonly accept: string | undefined;
  readonly requestId: string;
}

/**
 * Turns whatever was thrown into the answer the client gets, in the form its part of the API uses (`http-api.md`, rule 7):
 * Kubo's JSON under `/api/v0`, JSON under `/pins` and `/names`, HTML under `/ipfs` and `/ipns` if the client asks for it, else plain text.
 * `details.headers` (text by name) are added, `details.retryAfterS` becomes `Retry-After`.
 */
export function errorToResponse(err: unknown, request: FailedRequest): ErrorAnswer {
  const failure = asHoldfastError(err);
  const known = failure ?? new HoldfastError("STORE_FAILED", "internal error");
  const status = failure === undefined ? 500 : STATUS_BY_CODE[failure.code];
  const { contentType, body, contentPolicy } = representationOf(known, status, request);
  return {
    status,
    headers: {
      "Content-Type": contentType,
      "Content-Length": String(Buffer.byteLength(body)),
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      "X-Request-Id": request.requestId,
      ...(contentPolicy === undefined ? {} : { "Content-Security-Policy": contentPolicy }),
      ...retryAfterOf(known, status),
      ...(status === 401 ? { "WWW-Authenticate": 'Bearer realm="holdfast"' } : {}),
      ...headersOf(known),
    },
    body,
    unexpected: failure === undefined,
  };
}

/** Errors of the framework and of the platform that are not ours, in our words; undefined for what nobody foresaw. */
function asHoldfastError(err: unknown): HoldfastError | undefined {
  if (isHoldfastError(err)) return err;
  if (!(err instanceof Error)) return undefined;
  if (err.name === "TimeoutError")
    return new HoldfastError("UPSTREAM_TIMEOUT", "no answer in time", { cause: err });
  const status = "statusCode" in err && typeof err.statusCode === "number" ? err.statusCode : 500;
  if (status === 413) return new HoldfastError("BODY_TOO_LARGE", "the body is too large", { cause: err });
  if (status === 404) return new HoldfastError("ROUTE_NOT_FOUND", "404 page not found", { cause: err });
  if (status >= 400 && status < 500) {
    return new HoldfastError("INVALID_ARGUMENT", "the request is malformed", { cause: err });
  }
  return undefined;
}

function representationOf(
  failure: HoldfastError,
  status: number,
  request: FailedRequest,
): {
  readonly contentType: string;
  readonly body: string;
  readonly contentPolicy?: string;
} {
  const { message } = failure;
  if (isUnder(request.url, "/api/v0")) {
    return { contentType: "application/json", body: `${JSON.stringify(kuboForm(failure, status))}\n` };
  }
  if (isUnder(request.url, "/pins")) {
    const error = { reason: failure.code, details: message };
    return { contentType: "application/json", body: `${JSON.stringify({ error })}\n` };
  }
  if (isUnder(request.url, "/names")) {
    const error = { code: failure.code, message };
    return { contentType: "application/json", body: `${JSON.stringify({ error })}\n` };
  }
  const isGateway = isUnder(request.url, "/ipfs") || isUnder(request.url, "/ipns");
  if (isGateway && request.accept?.includes("text/html") === true) {
    const body = renderErrorPage({ status, message, requestId: request.requestId });
    return { contentType: "text/html; charset=utf-8", body, contentPolicy: ERROR_PAGE_POLICY };
  }
  return { contentType: "text/plain; charset=utf-8", body: `${message}\n` };
}

/**
 * A refused put also tells what is stored: `Sequence` (exact decimal text) and `Extra` (base64) of the current record.
 */
function kuboForm(failure: HoldfastError, status: number): Record<string, unknown> {
  const { reason, sequence, extra } = failure.details;
  const code = KUBO_CODE_BY_STATUS.get(status) ?? (status < 500 && status !== 404 ? 1 : 0);
  return {
    Message: failure.message,
    Code: code,
    Type: "error",
    ...(typeof reason === "string" ? { Reason: reason } : {}),
    ...(typeof sequence === "bigint" ? { Sequence: sequence.toString() } : {}),
    ...(typeof extra === "string" ? { Extra: extra } : {}),
  };
}

function retryAfterOf(failure: HoldfastError, status: number): Record<string, string> {
  const { retryAfterS } = failure.details;
  if (typeof retryAfterS === "number") return { "Retry-After": String(Math.max(1, Math.ceil(retryAfterS))) };
  return status === 429 || status === 503 ? { "Retry-After": "1" } : {};
}

function headersOf(failure: HoldfastError): Record<string, string> {
  const { headers } = failure.details;
  if (typeof headers !== "object" || headers === null) return {};
  return Object.fromEntries(Object.entries(headers).filter((entry) => typeof entry[1] === "string"));
}

/** Whether the request's path is `prefix` or below it. */
function isUnder(url: string, prefix: string): boolean {
  if (!url.startsWith(prefix)) return false;
  const next = url.charAt(prefix.length);
  return next === "" || next === "/" || next === "?";
}
