import { HoldfastError } from "@holdfast/core";
import { contentDisposition, type GatewayAnswer } from "../answer.ts";
import { answerBytes } from "../bytes-answer.ts";
import { type DocumentFormat, documentFormatOf } from "../codecs.ts";
import { decodeDocument } from "../ipld.ts";
import { answerPage } from "../pages/page.ts";
import { DAG_PAGE_POLICY, DAG_PAGE_VERSION, renderDagPage } from "../pages/dag-page.ts";
import { displayPath } from "../request-path.ts";
import type { ResolvedPath } from "../resolve-path.ts";
import { MEDIA_TYPE_BY_FORMAT } from "../select-format.ts";
import { NOSNIFF, filenameOf, isDownload, redirectToSlash, targetHeaders, type Target } from "../target.ts";

/** The formats in which a document of each codec can be given as it is. Nothing is converted (IPIP-524). */
const FORMATS_BY_CODEC: Readonly<Record<DocumentFormat, readonly string[]>> = {
  "dag-json": ["dag-json", "json"],
  "dag-cbor": ["dag-cbor", "cbor"],
  json: ["json"],
  cbor: ["cbor"],
};

const EXTENSION: Readonly<Record<DocumentFormat, "json" | "cbor">> = {
  "dag-json": "json",
  json: "json",
  "dag-cbor": "cbor",
  cbor: "cbor",
};

/**
 * A block that is a document: its bytes under the wanted media type, or a page that shows it when a browser asks.
 *
 * @throws HoldfastError `NOT_ACCEPTABLE` when the block has another codec, `CONTENT_FIELD_UNSUPPORTED` when the path leads to a
 *   field that is not a link, and what reading throws.
 */
export async function answerDocument(target: Target, resolved: ResolvedPath): Promise<GatewayAnswer> {
  const { cid, roots, remainder } = resolved;
  const codec = documentFormatOf(cid.code);
  const format = target.wish.format === "default" ? codec : target.wish.format;
  if (codec === undefined || format === undefined || !FORMATS_BY_CODEC[codec].includes(format)) {
    throw new HoldfastError(
      "NOT_ACCEPTABLE",
      `format "${format ?? ""}" was asked for, but the block has the codec 0x${cid.code.toString(16)}: ` +
        "nothing is converted; get the block with ?format=raw and convert it",
    );
  }
  if (remainder.length > 0) {
    throw new HoldfastError(
      "CONTENT_FIELD_UNSUPPORTED",
      `${JSON.stringify(remainder.join("/"))} is a field of ${cid.toString()} that is not a link: get the whole block and read it there`,
    );
  }
  if (isForReading(target, codec)) return answerPreview(target, resolved);
  const block = await target.retrieval.get(cid);
  const known = format as DocumentFormat;
  return answerBytes(
    {
      size: block.byteLength,
      etag: `"${cid.toString()}.${known}"`,
      headers: {
        ...targetHeaders(target, roots),
        ...NOSNIFF,
        ...dispositionOf(target, `${cid.toString()}.${EXTENSION[known]}`, known),
      },
      contentType: () => Promise.resolve(MEDIA_TYPE_BY_FORMAT[known]),
      // eslint-disable-next-line typescript/require-await -- an AsyncIterable of one chunk
      async *read({ first, last }) {
        if (last >= first) yield block.subarray(first, last + 1);
      },
    },
    target.request,
    target.retrieval,
  );
}

/** Browsers show JSON and save CBOR. */
function dispositionOf(
  { request }: Target,
  fallback: string,
  format: DocumentFormat,
): Record<string, string> {
  const kind = isDownload(request) || EXTENSION[format] === "cbor" ? "attachment" : "inline";
  return { "content-disposition": contentDisposition(kind, filenameOf(request) ?? fallback) };
}

function isForReading({ wish, request }: Target, codec: DocumentFormat): boolean {
  const isDag = codec === "dag-json" || codec === "dag-cbor";
  return (
    isDag &&
    wish.format === "default" &&
    request.accept?.includes("text/html") === true &&
    !isDownload(request)
  );
}

async function answerPreview(target: Target, { cid, roots }: ResolvedPath): Promise<GatewayAnswer> {
  const { path } = target.request;
  if (!path.encoded.endsWith("/")) return redirectToSlash(target, roots);
  const block = await target.retrieval.get(cid);
  return answerPage(
    () =>
      renderDagPage({
        path: displayPath(path),
        cid,
        blockBytes: block.byteLength,
        document: decodeDocument(cid, block),
        site: target.request.site,
      }),
    {
      etag: `"DagIndex-${DAG_PAGE_VERSION}_CID-${cid.toString()}"`,
      policy: DAG_PAGE_POLICY,
      headers: { ...targetHeaders(target, roots, "page"), ...NOSNIFF },
      request: target.request,
    },
  );
}
