import { HoldfastError, parseCid, parseContentPath } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { contentDisposition, type GatewayAnswer, headerText } from "./answer.ts";
import type { NameResolver } from "./block-reader.ts";
import { answerBytes, collect, type Conditions } from "./bytes-answer.ts";
import { SNIFF_BYTES, sniffType, typeOfName } from "./content-type.ts";
import { matchesEtag } from "./etags.ts";
import { type Format, selectFormat } from "./format.ts";
import { LISTING_ENTRIES_MAX, LISTING_VERSION, renderListing } from "./listing.ts";
import { readFile } from "./read-file.ts";
import type { RequestPath } from "./request-path.ts";
import { findChild, resolveCid, resolveNode, type ResolvedNode } from "./resolve-path.ts";
import { NotHeldError, type Retrieval } from "./retrieval.ts";
import { shardedEntries } from "./sharded-directory.ts";
import type { DirectoryEntry, UnixfsNode } from "./unixfs-node.ts";

/** For what a CID names: it never changes. The number is boxo's, 48 weeks. */
const IMMUTABLE = "public, max-age=29030400, immutable";
/** A listing is made by us, so its form may change although the directory cannot. */
const LISTING = "public, max-age=604800, stale-while-revalidate=2678400";
const REDIRECT = "public, max-age=86400";
/** However long a record may be reused, a client asks again after this: a new one must become visible. */
const NAME_MAX_AGE_MS = 30_000;

export interface ContentRequest extends Conditions {
  readonly path: RequestPath;
  readonly accept: string | undefined;
  /** The client wants the network to be asked before a stored record is used. */
  readonly askFirst: boolean;
}

interface Target {
  readonly request: ContentRequest;
  readonly retrieval: Retrieval;
  readonly root: CID;
  /** The names below the root, those in the record's value first. */
  readonly segments: readonly string[];
  /** `undefined` under `/ipfs`. */
  readonly nameMaxAgeMs: number | undefined;
}

/**
 * Turns a request for `/ipfs/…` or `/ipns/…` into an answer: a file, a directory's `index.html`, its listing, or a raw block.
 *
 * @throws HoldfastError `INVALID_CID`, `INVALID_NAME`, `INVALID_PATH`, `INVALID_ARGUMENT`, `NOT_ACCEPTABLE`,
 *   `CONTENT_NOT_FOUND`, `CONTENT_UNSUPPORTED`, `RECORD_NOT_FOUND`, `UPSTREAM_TIMEOUT`, `BACKEND_UNAVAILABLE`.
 * @see https://specs.ipfs.tech/http-gateways/path-gateway/
 */
export async function answerContent(
  request: ContentRequest,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<GatewayAnswer> {
  const format = selectFormat(request.path.query, request.accept);
  const target = await resolveRoot(request, names, retrieval);
  retrieval.root = target.root;
  try {
    if (format === "raw") return await answerRawBlock(target);
    const resolved = await resolveNode(target.root, target.segments, retrieval);
    return await answerNode(target, resolved);
  } catch (err) {
    if (err instanceof NotHeldError) return notHeld();
    throw err;
  }
}

async function resolveRoot(
  request: ContentRequest,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<Target> {
  const { namespace, root, segments } = request.path;
  if (namespace === "ipfs") {
    return { request, retrieval, root: parseCid(root), segments, nameMaxAgeMs: undefined };
  }
  const resolved = await names.resolvePath(`/ipns/${root}`, {
    signal: retrieval.signal,
    ask: request.askFirst ? "first" : "if-absent",
  });
  const value = parseContentPath(resolved.path, { percentEncoded: false });
  return {
    request,
    retrieval,
    root: parseCid(value.root),
    segments: [...value.segments, ...segments],
    nameMaxAgeMs: resolved.maxAgeMs,
  };
}

async function answerRawBlock(target: Target): Promise<GatewayAnswer> {
  const { cid, roots } = await resolveCid(target.root, target.segments, target.retrieval);
  const block = await target.retrieval.get(cid);
  return answerBytes(
    {
      size: block.byteLength,
      etag: `"${cid.toString()}.raw"`,
      headers: {
        ...headersOf(target, roots, IMMUTABLE),
        ...contentLocationOf(target.request, "raw"),
        "content-disposition": contentDisposition(
          "attachment",
          filenameOf(target) ?? `${cid.toString()}.bin`,
        ),
      },
      contentType: () => Promise.resolve("application/vnd.ipld.raw"),
      read: ({ first, last }) => oneChunk(block.subarray(first, last + 1)),
    },
    target.request,
  );
}

async function answerNode(target: Target, resolved: ResolvedNode): Promise<GatewayAnswer> {
  const { cid, node, roots } = resolved;
  switch (node.kind) {
    case "file":
      return answerFile(target, node, {
        etag: `"${cid.toString()}"`,
        roots,
        name: target.segments.at(-1) ?? "",
      });
    case "symlink":
      return answerSymlink(target, node.target, `"${cid.toString()}"`, roots);
    case "directory":
    case "sharded-directory":
      return answerDirectory(target, resolved);
  }
}

async function answerFile(
  target: Target,
  file: Extract<UnixfsNode, { kind: "file" }>,
  facts: { readonly etag: string; readonly roots: readonly CID[]; readonly name: string },
): Promise<GatewayAnswer> {
  const { retrieval, request } = target;
  const filename = filenameOf(target);
  const kind = request.path.query.get("download") === "true" ? "attachment" : "inline";
  const disposition =
    filename === undefined ? {} : { "content-disposition": contentDisposition(kind, filename) };
  return answerBytes(
    {
      size: file.size,
      etag: facts.etag,
      headers: { ...headersOf(target, facts.roots, IMMUTABLE), ...disposition },
      contentType: async () => {
        const known = typeOfName(filename ?? facts.name);
        if (known !== undefined) return known;
        return sniffType(await collect(readFile(file, { first: 0, last: SNIFF_BYTES - 1 }, retrieval)));
      },
      read: (range) => readFile(file, range, retrieval),
    },
    request,
  );
}

function answerSymlink(
  target: Target,
  link: string,
  etag: string,
  roots: readonly CID[],
): Promise<GatewayAnswer> {
  const bytes = new TextEncoder().encode(link);
  const read = ({ first, last }: { first: number; last: number }): AsyncIterable<Uint8Array> =>
    oneChunk(bytes.subarray(first, last + 1));
  const headers = headersOf(target, roots, IMMUTABLE);
  const contentType = (): Promise<string> => Promise.resolve("inode/symlink");
  return answerBytes({ size: bytes.byteLength, etag, headers, contentType, read }, target.request);
}

async function answerDirectory(target: Target, { cid, node, roots }: ResolvedNode): Promise<GatewayAnswer> {
  const { path } = target.request;
  if (!path.hasTrailingSlash) {
    const cacheControl = target.nameMaxAgeMs === undefined ? REDIRECT : nameCacheControl(target.nameMaxAgeMs);
    const headers = { location: `${path.encoded}/${path.queryText}`, "cache-control": cacheControl };
    return { status: 301, headers: { ...headers, "content-length": "0" }, body: new Uint8Array() };
  }
  const indexCid = await findChild(cid, node, "index.html", target.retrieval);
  if (indexCid === undefined) return answerListing(target, { cid, node, roots });
  const index = await resolveNode(indexCid, [], target.retrieval);
  if (index.node.kind !== "file") {
    throw new HoldfastError("CONTENT_UNSUPPORTED", "the index.html of this directory is not a file");
  }
  // The tag and the roots are the directory's: that is what was asked for.
  return answerFile(target, index.node, { etag: `"${cid.toString()}"`, roots, name: "index.html" });
}

async function answerListing(target: Target, { cid, node, roots }: ResolvedNode): Promise<GatewayAnswer> {
  const etag = `"DirIndex-${LISTING_VERSION}_CID-${cid.toString()}"`;
  const headers = { ...headersOf(target, roots, LISTING), etag };
  if (matchesEtag(target.request.ifNoneMatch, [etag, `"${cid.toString()}"`]))
    return { status: 304, headers, body: undefined };
  const entries: DirectoryEntry[] = [];
  const all = node.kind === "directory" ? node.entries : shardedEntries(cid, target.retrieval);
  for await (const entry of all) {
    if (entries.length > LISTING_ENTRIES_MAX) break;
    entries.push(entry);
  }
  const shown = entries.slice(0, LISTING_ENTRIES_MAX);
  const page = renderListing(displayPath(target.request.path), cid, shown, {
    isComplete: shown.length === entries.length,
  });
  const body = Buffer.from(page, "utf8");
  return {
    status: 200,
    headers: {
      ...headers,
      "content-type": "text/html; charset=utf-8",
      "content-length": String(body.byteLength),
    },
    body: target.request.method === "HEAD" ? undefined : body,
  };
}

/** What the answers to one request have in common. @param cacheControl for `/ipfs`; names have their own. */
function headersOf(target: Target, roots: readonly CID[], cacheControl: string): Record<string, string> {
  const { nameMaxAgeMs, request } = target;
  return {
    "cache-control": nameMaxAgeMs === undefined ? cacheControl : nameCacheControl(nameMaxAgeMs),
    "x-ipfs-path": headerText(displayPath(request.path)),
    "x-ipfs-roots": roots.join(","),
    "x-content-type-options": "nosniff",
    ...(request.path.query.has("format") ? {} : { vary: "Accept" }),
  };
}

function nameCacheControl(maxAgeMs: number): string {
  return `public, max-age=${Math.floor(Math.min(maxAgeMs, NAME_MAX_AGE_MS) / 1000)}`;
}

/** A format that was chosen by `Accept` has its own URL, which caches may use. */
function contentLocationOf({ path }: ContentRequest, format: Format): Record<string, string> {
  if (path.query.get("format") === format) return {};
  const query = path.queryText.length > 1 ? `${path.queryText}&format=${format}` : `?format=${format}`;
  return { "content-location": `${path.encoded}${query}` };
}

function filenameOf({ request }: Target): string | undefined {
  const filename = request.path.query.get("filename");
  return filename === null || filename === "" ? undefined : filename;
}

function displayPath(path: RequestPath): string {
  const end = path.hasTrailingSlash ? "/" : "";
  return `/${[path.namespace, path.root, ...path.segments].join("/")}${end}`;
}

function notHeld(): GatewayAnswer {
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
  return { status: 412, headers, body: Buffer.from("not held here, and the request said only-if-cached\n") };
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes;
}
