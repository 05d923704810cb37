import { createHash } from "node:crypto";
import { HoldfastError } from "@holdfast/core";
import type { GatewayAnswer } from "./answer.ts";
import { type ByteRange, parseRange } from "./byte-range.ts";
import { isSameRange, isUnmodifiedSince, matchesEtag } from "./etags.ts";
import { type BodyRetrieval, StartedBody } from "./streams.ts";

/** The request headers that choose what of a representation is sent. */
export interface Conditions {
  readonly method: "GET" | "HEAD";
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly ifRange: string | undefined;
  readonly range: string | undefined;
}

/** Something with a length that can be sent in part. */
export interface Representation {
  readonly size: number;
  readonly etag: string;
  /** When it was changed, ms since the Unix epoch, if its maker noted that. */
  readonly mtimeMs?: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Called after the conditions were decided, so that a 304 costs no reading.
   *
   * @param firstByte of what is sent.
   * @param head the first bytes of what is sent, if they have been read anyhow.
   */
  contentType(firstByte: number, head?: Uint8Array): Promise<string>;
  read(range: ByteRange): AsyncIterable<Uint8Array>;
}

/**
 * 200, 206 (with `multipart/byteranges` for several ranges), 304 or 416. The first bytes have been read when it returns, and
 * all of them when they are few: what fails until then fails with a proper status.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for a malformed range, and what reading throws.
 */
export async function answerBytes(
  what: Representation,
  conditions: Conditions,
  retrieval: BodyRetrieval,
): Promise<GatewayAnswer> {
  const lastModified = what.mtimeMs === undefined ? undefined : new Date(what.mtimeMs).toUTCString();
  const headers = {
    ...what.headers,
    etag: what.etag,
    ...(lastModified === undefined ? {} : { "last-modified": lastModified }),
  };
  if (isNotModified(what, conditions)) return { status: 304, headers, body: undefined };
  const isCurrent = isSameRange(conditions.ifRange, { etag: what.etag, lastModified });
  const wanted = parseRange(isCurrent ? conditions.range : undefined, what.size);
  if (wanted === "malformed") throw new HoldfastError("INVALID_ARGUMENT", "the Range header is malformed");
  if (wanted === "unsatisfiable") return unsatisfiable(what.size);
  const [first, ...more] = wanted === "everything" ? [] : wanted;
  const all = { ...headers, "accept-ranges": "bytes" };
  if (first !== undefined && more.length > 0) {
    const contentType = await what.contentType(first.first);
    return answerParts(what, { ranges: [first, ...more], contentType, headers: all }, conditions, retrieval);
  }
  const range = first ?? { first: 0, last: what.size - 1 };
  const bodyHeaders = {
    ...all,
    ...(first === undefined ? {} : { "content-range": contentRange(first, what.size) }),
    "content-length": String(range.last - range.first + 1),
  };
  const status = first === undefined ? 200 : 206;
  if (conditions.method === "HEAD") {
    const contentType = await what.contentType(range.first);
    return { status, headers: { ...bodyHeaders, "content-type": contentType }, body: undefined };
  }
  // The type is told from the first bytes, and they are the beginning of the body: blocks are read once, the next ones ahead.
  const body = await StartedBody.of(what.read(range));
  try {
    const contentType = await what.contentType(range.first, body.first);
    return {
      status,
      headers: { ...bodyHeaders, "content-type": contentType },
      body: await body.wholeOrStream(retrieval, range.last - range.first + 1),
    };
  } catch (err) {
    await body.abandon();
    throw err;
  }
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#name-precedence-of-preconditions If-None-Match decides alone when it is there. */
function isNotModified(what: Representation, { ifNoneMatch, ifModifiedSince }: Conditions): boolean {
  if (ifNoneMatch !== undefined) return matchesEtag(ifNoneMatch, [what.etag]);
  return isUnmodifiedSince(ifModifiedSince, what.mtimeMs);
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#name-media-type-multipart-byteran */
async function answerParts(
  what: Representation,
  parts: {
    readonly ranges: readonly ByteRange[];
    readonly contentType: string;
    readonly headers: Readonly<Record<string, string>>;
  },
  { method }: Conditions,
  retrieval: BodyRetrieval,
): Promise<GatewayAnswer> {
  // A hash of the tag: equal requests get equal answers, and no content can contain a hash of its own hash.
  const boundary = createHash("sha256").update(what.etag).digest("hex").slice(0, 40);
  const heads = parts.ranges.map(
    (range, index) =>
      `${index === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: ${parts.contentType}\r\n` +
      `Content-Range: ${contentRange(range, what.size)}\r\n\r\n`,
  );
  const end = `\r\n--${boundary}--\r\n`;
  const textBytes = [...heads, end].reduce((sum, text) => sum + Buffer.byteLength(text, "latin1"), 0);
  const rangeBytes = parts.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  const read = async function* (): AsyncGenerator<Uint8Array> {
    for (const [index, range] of parts.ranges.entries()) {
      yield Buffer.from(heads[index] ?? "", "latin1");
      yield* what.read(range);
    }
    yield Buffer.from(end, "latin1");
  };
  const headers = {
    ...parts.headers,
    "content-type": `multipart/byteranges; boundary=${boundary}`,
    "content-length": String(textBytes + rangeBytes),
  };
  if (method === "HEAD") return { status: 206, headers, body: undefined };
  const body = await StartedBody.of(read());
  return { status: 206, headers, body: await body.wholeOrStream(retrieval) };
}

function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`;
}

/** Not an error to be explained: the header is the answer. */
function unsatisfiable(size: number): GatewayAnswer {
  const headers = { "content-range": `bytes */${size}`, "cache-control": "no-store", "content-length": "0" };
  return { status: 416, headers, body: new Uint8Array() };
}
