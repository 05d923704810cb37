/**
 * Stable codes: part of the HTTP contract (`docs/HTTP-API.md` lists each one). Messages may change, codes may not.
 * The status of each is decided in one place, `packages/server/src/http/error-to-response.ts`.
 */
export type ErrorCode =
  /** The text is not an IPNS name in any spelling. */
  | "INVALID_NAME"
  /** The text is not a CID. */
  | "INVALID_CID"
  /** The text is not a content path (`/ipfs/…`, `/ipns/…`), or a `/ipns/` chain loops or is too deep. */
  | "INVALID_PATH"
  /** A parameter, header or body does not have the required form. */
  | "INVALID_ARGUMENT"
  /** The record failed a step of validation; `details.reason` says which (`RecordProblem`). */
  | "RECORD_INVALID"
  /** A better record is stored; `details.current` is it. */
  | "RECORD_SUPERSEDED"
  /** The put expected another record to be stored (`If-Match`); `details` tells which one is. */
  | "SEQUENCE_CONFLICT"
  /** The Nostr event is not one that can be taken, by anybody; `details.reason` says why (`EventProblem`). */
  | "EVENT_INVALID"
  /** The author of the event is not one whose announcements are taken here. */
  | "AUTHOR_REFUSED"
  /** No router knows a valid record of this name. */
  | "RECORD_NOT_FOUND"
  /** No source has the block, or the path names nothing in the DAG. */
  | "CONTENT_NOT_FOUND"
  /** The thing exists but not in a form we can give (a codec, a kind of file). */
  | "CONTENT_UNSUPPORTED"
  /** The path leads to a field inside a document that is not a link. */
  | "CONTENT_FIELD_UNSUPPORTED"
  /** The request allowed only what is held here, and a block is not. */
  | "CONTENT_NOT_HELD"
  /** The `index.html` of a directory is something else than a file. */
  | "INDEX_NOT_A_FILE"
  /** The root is not pinned, or not in the way that the command needs; its pin was given up, or ended meanwhile. */
  | "NOT_PINNED"
  /** The holder of the token has no pin with this id. */
  | "PIN_NOT_FOUND"
  /** The holder of the token has as many pins as it may have. */
  | "INSUFFICIENT_FUNDS"
  | "BODY_TOO_LARGE"
  /** The body is of another `Content-Type` than the route takes. */
  | "BODY_UNSUPPORTED"
  /** The client, or the name, used up its rate. */
  | "RATE_LIMITED"
  /** A bounded queue is full; nothing was accepted. */
  | "OVERLOADED"
  | "WRITES_CLOSED"
  | "UNAUTHORIZED"
  | "METHOD_NOT_ALLOWED"
  | "ROUTE_NOT_FOUND"
  | "NOT_ACCEPTABLE"
  /** No answer from the network within the budget. */
  | "UPSTREAM_TIMEOUT"
  /** The backend is away (restarting, unreachable). */
  | "BACKEND_UNAVAILABLE"
  /** The disk refused: nothing was acknowledged. */
  | "STORE_FAILED"
  | "SHUTTING_DOWN";

export interface HoldfastErrorOptions extends ErrorOptions {
  /** Facts for the answer and the log. Never secrets, never host paths. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Every failure that the product itself decides on. Anything else that is thrown is a bug and answers 500. */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Works across realms and duplicated packages, where `instanceof` does not. */
export function isHoldfastError(err: unknown): err is HoldfastError {
  return err instanceof Error && err.name === "HoldfastError" && "code" in err;
}
