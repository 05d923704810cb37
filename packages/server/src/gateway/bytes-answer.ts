import { type GatewayAnswer, WHOLE_BODY_BYTES_MAX } from "./answer.ts";
import { HoldfastError } from "@holdfast/core";
import { type ByteRange, parseRange } from "./byte-range.ts";
import { isSameRange, matchesEtag } from "./etags.ts";

/** The request headers that choose what of a representation is sent. */
export interface Conditions {
  readonly method: "GET" | "HEAD";
  readonly ifNoneMatch: string | undefined;
  readonly ifRange: string | undefined;
  readonly range: string | undefined;
}

/** Something with a length that can be sent in part. */
export interface Representation {
  readonly size: number;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Called after the conditions were decided, so that a 304 costs no reading. */
  contentType(): Promise<string>;
  read(range: ByteRange): AsyncIterable<Uint8Array>;
}

/**
 * 200, 206, 304 or 416. The first bytes have been read when it returns, and all of them when they are few: what fails
 * until then fails with a proper status.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for a malformed range, and what reading throws.
 */
export async function answerBytes(what: Representation, conditions: Conditions): Promise<GatewayAnswer> {
  const headers = { ...what.headers, etag: what.etag };
  if (matchesEtag(conditions.ifNoneMatch, [what.etag])) return { status: 304, headers, body: undefined };
  const wanted = parseRange(
    isSameRange(conditions.ifRange, what.etag) ? conditions.range : undefined,
    what.size,
  );
  if (wanted === "malformed") throw new HoldfastError("INVALID_ARGUMENT", "the Range header is malformed");
  if (wanted === "unsatisfiable") return unsatisfiable(what.size);
  const range = wanted === "everything" ? { first: 0, last: what.size - 1 } : wanted;
  const bodyBytes = range.last - range.first + 1;
  const all = {
    ...headers,
    "content-type": await what.contentType(),
    "content-length": String(bodyBytes),
    "accept-ranges": "bytes",
  };
  const body = conditions.method === "HEAD" ? undefined : await begun(what.read(range), bodyBytes);
  if (wanted === "everything") return { status: 200, headers: all, body };
  const contentRange = `bytes ${range.first}-${range.last}/${what.size}`;
  return { status: 206, headers: { ...all, "content-range": contentRange }, body };
}

/** Not an error to be explained: the header is the answer. */
function unsatisfiable(size: number): GatewayAnswer {
  const headers = { "content-range": `bytes */${size}`, "cache-control": "no-store", "content-length": "0" };
  return { status: 416, headers, body: new Uint8Array() };
}

async function begun(
  chunks: AsyncIterable<Uint8Array>,
  bodyBytes: number,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  if (bodyBytes <= WHOLE_BODY_BYTES_MAX) return collect(chunks);
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* () {
    if (first.done !== true) yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
}

/** One chunk is passed on as it is, without a copy. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  const [only] = all;
  return only !== undefined && all.length === 1 ? only : Buffer.concat(all);
}
