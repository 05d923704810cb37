import { createHash } from "node:crypto";
import { freshForMs, HoldfastError, isHoldfastError, parseIpnsName, type IpnsName } from "@holdfast/core";
import type { GatewayAnswer } from "../answer.ts";
import type { NameResolver } from "../block-reader.ts";
import { maxAge } from "../caching.ts";
import type { ContentRequest } from "../content-request.ts";
import { nameOptionsOf } from "../name-options.ts";
import { matchesEtag } from "../etags.ts";
import type { Retrieval } from "../retrieval.ts";
import { MEDIA_TYPE_BY_FORMAT, type Wish } from "../select-format.ts";
import { NOSNIFF, attachmentHeaders, requestHeaders } from "../target.ts";

const NS_PER_MS = 1_000_000n;

/**
 * The signed record of a name, which certifies itself: it may be kept as long as its TTL says, but never past its end.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when the path is not exactly `/ipns/{name}`, and what resolving throws.
 * @see https://specs.ipfs.tech/http-gateways/trustless-gateway/#ipns-record-responses-application-vnd-ipfs-ipns-record
 */
export async function answerIpnsRecord(
  request: ContentRequest,
  wish: Wish,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<GatewayAnswer> {
  const name = nameOf(request);
  const { stored } = await names.resolve(name, nameOptionsOf(request, retrieval));
  const { bytes, ttlNs, eolMs } = stored.record;
  const ttlMs = ttlNs === undefined || ttlNs === 0n ? freshForMs(undefined) : Number(ttlNs / NS_PER_MS);
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  const headers = {
    ...requestHeaders(request, wish),
    ...NOSNIFF,
    "cache-control": maxAge(Math.min(ttlMs, eolMs - retrieval.clock.nowMs())),
    etag,
  };
  if (matchesEtag(request.ifNoneMatch, [etag])) return { status: 304, headers, body: undefined };
  return {
    status: 200,
    headers: {
      ...headers,
      ...attachmentHeaders(request, `${name.text}.ipns-record`),
      "content-type": MEDIA_TYPE_BY_FORMAT["ipns-record"],
      "content-length": String(bytes.byteLength),
    },
    body: request.method === "HEAD" ? undefined : bytes,
  };
}

function nameOf({ path: { namespace, root, segments } }: ContentRequest): IpnsName {
  if (namespace !== "ipns") throw invalid(`/ipfs/${root} is not an IPNS name`);
  if (segments.length > 0) throw invalid("a record belongs to a name, not to a path behind it");
  try {
    return parseIpnsName(root);
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `${root.slice(0, 100)} has no record: only names of keys do`,
      { cause: err },
    );
  }
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
