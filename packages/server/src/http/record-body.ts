import type { IncomingMessage } from "node:http";
import { HoldfastError, RECORD_BYTES_MAX, type RecordProblem } from "@holdfast/core";
import { canStartMultipart, multipartBoundaryOf, parseSinglePart } from "./multipart.ts";

/** The largest body that is listened to at all. */
const RECORD_BODY_BYTES_MAX = 65_536;

/** A record and its multipart frame. A body over this holds no record that could be accepted, so no more of it is kept. */
const KEPT_BYTES_MAX = RECORD_BYTES_MAX + 6_144;

const BODY_MS_MAX = 10_000;

export interface RecordBodyOptions {
  /** How long the whole body may take. */
  readonly bodyMsMax?: number;
}

/**
 * Reads the record out of a put: the one part of a multipart body, or the whole body of any other type.
 *
 * Throws as soon as the body cannot be good any more, with the rest unread; the listener drains or closes the connection.
 * Holds at most 16 KiB, however slowly the body comes.
 *
 * @throws HoldfastError `BODY_TOO_LARGE` above {@link RECORD_BODY_BYTES_MAX}, `RECORD_INVALID` when there is more than a record
 *   can be, `INVALID_ARGUMENT` for a malformed body or one that does not arrive in time.
 */
export async function readRecordBody(
  request: IncomingMessage,
  options: RecordBodyOptions = {},
): Promise<Uint8Array> {
  const boundary = multipartBoundaryOf(request.headers["content-type"]);
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > RECORD_BODY_BYTES_MAX) throw tooLarge();
  const body = await readBody(request, boundary, options.bodyMsMax ?? BODY_MS_MAX);
  return boundary === undefined ? body : parseSinglePart(body, boundary);
}

async function readBody(
  request: IncomingMessage,
  boundary: string | undefined,
  bodyMsMax: number,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Buffer[] = [];
  let keptBytes = 0;
  let bodyBytes = 0;
  let startIsChecked = boundary === undefined;
  const onData = (chunk: Buffer): void => {
    bodyBytes += chunk.length;
    if (bodyBytes > RECORD_BODY_BYTES_MAX) return reject(tooLarge());
    if (bodyBytes > KEPT_BYTES_MAX) {
      chunks.length = 0;
      return;
    }
    chunks.push(chunk);
    keptBytes += chunk.length;
    if (startIsChecked || boundary === undefined) return;
    const start = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    if (!canStartMultipart(start, boundary)) {
      return reject(
        new HoldfastError(
          "INVALID_ARGUMENT",
          "malformed multipart body: it does not start with the boundary",
        ),
      );
    }
    startIsChecked = keptBytes >= boundary.length + 4;
  };
  const onEnd = (): void => {
    if (bodyBytes > KEPT_BYTES_MAX) return reject(recordTooLarge());
    resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
  };
  const onClose = (): void => {
    // A close always follows; an error nobody waits for would still cost its stack trace.
    if (request.complete) return;
    reject(new HoldfastError("INVALID_ARGUMENT", "the connection ended before the body did"));
  };
  const timer = setTimeout(() => {
    reject(new HoldfastError("INVALID_ARGUMENT", `the body did not arrive within ${bodyMsMax / 1000} s`));
  }, bodyMsMax);
  request.on("data", onData).once("end", onEnd).once("close", onClose).once("error", onClose);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
    // Without an error listener a reset during the drain would be an uncaught error.
    request.on("error", ignoreReset);
  }
}

function ignoreReset(): void {
  // The answer is decided; whether the rest of the body still arrives changes nothing.
}

function tooLarge(): HoldfastError {
  return new HoldfastError("BODY_TOO_LARGE", `the body is larger than ${RECORD_BODY_BYTES_MAX} bytes`);
}

function recordTooLarge(): HoldfastError {
  return new HoldfastError("RECORD_INVALID", `record exceeds ${RECORD_BYTES_MAX} bytes`, {
    details: { reason: "TOO_LARGE" satisfies RecordProblem },
  });
}
