import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { contentDisposition, type GatewayAnswer } from "../answer.ts";
import { answerBytes } from "../bytes-answer.ts";
import type { ContentRequest } from "../content-request.ts";
import { SNIFF_BYTES, sniffType, typeOfName, UNKNOWN_TYPE } from "../content-type.ts";
import { matchesEtag } from "../etags.ts";
import { readFile } from "../read-file.ts";
import { findChild, readNode, type ResolvedPath } from "../resolve-path.ts";
import { collect } from "../streams.ts";
import { filenameOf, isDownload, redirectToSlash, type Target, targetHeaders } from "../target.ts";
import {
  assertUnixfsCodec,
  type DirectoryNode,
  type FileNode,
  type ShardedNode,
  type SymlinkNode,
} from "../unixfs-node.ts";
import { answerListing } from "./listing.ts";

/** What an answer says about the file, beside its bytes. */
interface FileFacts {
  readonly etag: string;
  readonly roots: readonly CID[];
  /** Its name, for the media type. */
  readonly name: string;
}

/**
 * | The path leads to | Answer |
 * |---|---|
 * | a file | its bytes |
 * | a symlink | its target as text, `inode/symlink`; it is not followed, as in boxo |
 * | a directory, without a slash at the end | 301 to the slash, unless `?go-get=1` |
 * | a directory with an `index.html` | that file, with the directory's tag |
 * | another directory | a listing |
 */
export async function answerUnixfs(target: Target, resolved: ResolvedPath): Promise<GatewayAnswer> {
  const { cid, roots } = resolved;
  const etag = etagOf(cid);
  // What can never be answered is not "unchanged".
  assertUnixfsCodec(cid);
  if (isHeldByClient(target, etag)) {
    return { status: 304, headers: { ...targetHeaders(target, roots), etag }, body: undefined };
  }
  const node = await readNode(cid, target.retrieval);
  switch (node.kind) {
    case "file":
      return answerFile(target, node, { etag, roots, name: target.segments.at(-1) ?? "" });
    case "symlink":
      return answerSymlink(target, node, { etag, roots, name: "" });
    case "directory":
    case "sharded-directory":
      return answerDirectory(target, resolved, node);
  }
}

/** The same for `json` and `cbor`: of a file they are the same bytes. */
function etagOf(cid: CID): string {
  return `"${cid.toString()}"`;
}

/** A tag that names the CID settles it before the block is looked for. An asterisk does not: the block has to exist. */
function isHeldByClient({ request }: Target, etag: string): boolean {
  return request.ifNoneMatch?.trim() !== "*" && matchesEtag(request.ifNoneMatch, [etag]);
}

async function answerFile(target: Target, file: FileNode, facts: FileFacts): Promise<GatewayAnswer> {
  const { retrieval, request } = target;
  const filename = filenameOf(request);
  return answerBytes(
    {
      size: file.size,
      etag: facts.etag,
      mtimeMs: file.mtimeMs,
      headers: { ...targetHeaders(target, facts.roots), ...dispositionOf(request) },
      contentType: async (firstByte, head) =>
        typeOfName(filename ?? facts.name) ??
        typeOfHead(file, firstByte, head) ??
        (await typeOfContent(target, file, firstByte)),
      read: (range) => readFile(file, range, retrieval),
    },
    request,
    retrieval,
  );
}

/**
 * Only for a client that asks for it: others take the name from the URL, and decide for themselves whether to show the file.
 *
 * @see https://specs.ipfs.tech/http-gateways/path-gateway/#download-request-query-parameter `download=true` alone suffices.
 */
function dispositionOf(request: ContentRequest): Readonly<Record<string, string>> {
  const filename = filenameOf(request);
  if (filename === undefined) return isDownload(request) ? { "content-disposition": "attachment" } : {};
  return {
    "content-disposition": contentDisposition(isDownload(request) ? "attachment" : "inline", filename),
  };
}

/** Undefined when these are not the first bytes of the file, or too few of them to tell. */
function typeOfHead(file: FileNode, firstByte: number, head: Uint8Array | undefined): string | undefined {
  if (head === undefined || firstByte > 0 || head.byteLength < Math.min(SNIFF_BYTES, file.size))
    return undefined;
  return sniffType(head);
}

/** A range from the middle must not need the block at the beginning, which nobody may have: it is read only if it is held. */
async function typeOfContent({ retrieval }: Target, file: FileNode, firstByte: number): Promise<string> {
  const head = { first: 0, last: Math.min(SNIFF_BYTES, file.size) - 1 };
  const [firstPart] = file.parts;
  const isNeeded = firstByte < Math.max(file.own.byteLength, firstPart?.size ?? 0);
  if (!isNeeded && file.own.byteLength <= head.last && firstPart !== undefined) {
    if (firstPart.size <= head.last || !(await retrieval.isHeld(firstPart.cid))) return UNKNOWN_TYPE;
  }
  return sniffType(await collect(readFile(file, head, retrieval)));
}

function answerSymlink(
  target: Target,
  node: SymlinkNode,
  { etag, roots }: FileFacts,
): Promise<GatewayAnswer> {
  const bytes = new TextEncoder().encode(node.target);
  return answerBytes(
    {
      size: bytes.byteLength,
      etag,
      mtimeMs: node.mtimeMs,
      headers: { ...targetHeaders(target, roots), ...dispositionOf(target.request) },
      contentType: () => Promise.resolve("inode/symlink"),
      // eslint-disable-next-line typescript/require-await -- an AsyncIterable of one chunk
      async *read({ first, last }) {
        if (last >= first) yield bytes.subarray(first, last + 1);
      },
    },
    target.request,
    target.retrieval,
  );
}

async function answerDirectory(
  target: Target,
  resolved: ResolvedPath,
  node: DirectoryNode | ShardedNode,
): Promise<GatewayAnswer> {
  const { path } = target.request;
  if (!path.encoded.endsWith("/") && path.query.get("go-get") !== "1") {
    return redirectToSlash(target, resolved.roots);
  }
  const indexCid = await findChild(node, "index.html", target.retrieval);
  if (indexCid === undefined) return answerListing(target, resolved, node);
  const index = await readNode(indexCid, target.retrieval);
  if (index.kind !== "file") {
    throw new HoldfastError("INDEX_NOT_A_FILE", "the index.html of this directory is not a file");
  }
  // The tag and the roots are the directory's: that is what was asked for.
  return answerFile(target, index, {
    etag: etagOf(resolved.cid),
    roots: resolved.roots,
    name: "index.html",
  });
}
