import { HoldfastError, isHoldfastError, parseCid, parseContentPath } from "@holdfast/core";
import type { GatewayAnswer } from "./answer.ts";
import type { NameResolver } from "./block-reader.ts";
import { documentFormatOf } from "./codecs.ts";
import type { ContentRequest } from "./content-request.ts";
import { nameOptionsOf } from "./name-options.ts";
import { answerCar } from "./formats/car.ts";
import { answerDocument } from "./formats/document.ts";
import { answerIpnsRecord } from "./formats/ipns-record.ts";
import { answerRaw } from "./formats/raw.ts";
import { answerTar } from "./formats/tar.ts";
import { answerUnixfs } from "./formats/unixfs.ts";
import { resolveExisting } from "./resolve-path.ts";
import type { Retrieval } from "./retrieval.ts";
import { type Format, selectFormat, type Wish } from "./select-format.ts";
import type { Target } from "./target.ts";

/**
 * Turns a request for content into an answer. The order of decisions is that of protocols.md §4.1; what comes before a path
 * is known is in `before-path.ts`.
 *
 * | Format | Made by | of blocks with the codec |
 * |---|---|---|
 * | ipns-record | `formats/ipns-record.ts` | none: it is about the name itself |
 * | car | `formats/car.ts` | any |
 * | raw | `formats/raw.ts` | any |
 * | tar | `formats/tar.ts` | dag-pb, raw |
 * | dag-json, dag-cbor | `formats/document.ts` | the same; others are 406, nothing is converted (IPIP-524) |
 * | json, cbor | `formats/document.ts` | dag-json, json / dag-cbor, cbor; for dag-pb and raw as without a format |
 * | none | `formats/document.ts` | dag-json, dag-cbor (a page, if a browser asks), json, cbor |
 * | none | `formats/unixfs.ts` | dag-pb, raw: a file, a directory's `index.html` or its listing |
 *
 * @throws HoldfastError `INVALID_CID`, `INVALID_NAME`, `INVALID_PATH`, `INVALID_ARGUMENT`, `NOT_ACCEPTABLE`,
 *   `CONTENT_NOT_FOUND`, `CONTENT_NOT_HELD`, `CONTENT_UNSUPPORTED`, `CONTENT_FIELD_UNSUPPORTED`, `INDEX_NOT_A_FILE`,
 *   `RECORD_NOT_FOUND`, `UPSTREAM_TIMEOUT`, `BACKEND_UNAVAILABLE`.
 * @see https://specs.ipfs.tech/http-gateways/path-gateway/
 */
export async function answerContent(
  request: ContentRequest,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<GatewayAnswer> {
  const wish = selectFormat(request.path.query, request.accept);
  const { format } = wish;
  try {
    if (format === "ipns-record") return await answerIpnsRecord(request, wish, names, retrieval);
    const target = await resolveRoot(request, wish, names, retrieval);
    retrieval.root = target.root;
    return await answerTarget(target, format);
  } catch (err) {
    throw isHoldfastError(err) ? withoutNetwork(err, retrieval) : err;
  }
}

async function answerTarget(target: Target, format: Exclude<Format, "ipns-record">): Promise<GatewayAnswer> {
  // It answers what is absent, too: with the blocks that prove it.
  if (format === "car") return answerCar(target);
  const resolved = await resolveExisting(target.root, target.segments, target.retrieval);
  switch (format) {
    case "raw":
      return answerRaw(target, resolved);
    case "tar":
      return answerTar(target, resolved);
    case "dag-json":
    case "dag-cbor":
      return answerDocument(target, resolved);
    case "json":
    case "cbor":
    case "default":
      return documentFormatOf(resolved.cid.code) === undefined
        ? answerUnixfs(target, resolved)
        : answerDocument(target, resolved);
  }
}

async function resolveRoot(
  request: ContentRequest,
  wish: Wish,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<Target> {
  const { namespace, root, segments } = request.path;
  if (namespace === "ipfs") {
    return { request, wish, retrieval, root: parseCid(root), segments, nameMaxAgeMs: undefined };
  }
  const resolved = await names.resolvePath(`/ipns/${root}`, nameOptionsOf(request, retrieval));
  const value = parseContentPath(resolved.path, { percentEncoded: false });
  return {
    request,
    wish,
    retrieval,
    root: parseCid(value.root),
    segments: [...value.segments, ...segments],
    nameMaxAgeMs: resolved.maxAgeMs,
  };
}

/** That a name is unknown is the truth only if somebody was asked. */
function withoutNetwork(err: HoldfastError, { onlyHeld }: Retrieval): HoldfastError {
  if (err.code !== "RECORD_NOT_FOUND") return err;
  if (onlyHeld) {
    const message = "no record of the name is held here, and the request said only-if-cached";
    return new HoldfastError("CONTENT_NOT_HELD", message, { cause: err });
  }
  if (err.details["asked"] !== false) return err;
  return new HoldfastError(
    "BACKEND_UNAVAILABLE",
    "the name cannot be resolved: no record of it is held here, and there is no network to ask",
    { cause: err },
  );
}
