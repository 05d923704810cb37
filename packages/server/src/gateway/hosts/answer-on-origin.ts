import { isHoldfastError, parseCid, parseContentPath } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { type GatewayAnswer, headerText } from "../answer.ts";
import { answerContent } from "../answer-content.ts";
import type { NameResolver } from "../block-reader.ts";
import { cacheControl } from "../caching.ts";
import type { ContentRequest } from "../content-request.ts";
import { nameOptionsOf } from "../name-options.ts";
import { readFile } from "../read-file.ts";
import {
  applyRedirects,
  parseRedirectsFile,
  type PageStatus,
  REDIRECTS_FILE_BYTES_MAX,
  RedirectsFileError,
  type RedirectMatch,
} from "../redirects-file.ts";
import { displayPath } from "../request-path.ts";
import { readNode, resolvePath } from "../resolve-path.ts";
import type { Retrieval } from "../retrieval.ts";
import { selectFormat } from "../select-format.ts";
import { collect } from "../streams.ts";

/** Where the pages of a website are: the root of a DAG, and the names from there to the website's own root. */
interface Website {
  readonly root: CID;
  readonly segments: readonly string[];
  /** How long the record behind the name may be reused; `undefined` under `/ipfs`. */
  readonly nameMaxAgeMs: number | undefined;
}

/**
 * As {@link answerContent}, for a request to an origin of its own: a path that the website does not have is looked for in its
 * `_redirects` file. The file is at the website's root, which is what the DNSLink or the record points to, not above it.
 *
 * @throws HoldfastError as {@link answerContent}.
 * @see https://specs.ipfs.tech/http-gateways/web-redirects-file/
 */
export async function answerOnOrigin(
  request: ContentRequest,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<GatewayAnswer> {
  try {
    return await answerContent(request, names, retrieval);
  } catch (err) {
    if (!isHoldfastError(err) || err.code !== "CONTENT_NOT_FOUND" || !isForPeople(request)) throw err;
    const website = await websiteOf(request, names, retrieval);
    // A block that nobody has right now says nothing about whether the path exists.
    if (!(await isProvedAbsent(website, request.path.segments, retrieval))) throw err;
    const answer = await answerByRules(request, website, { names, retrieval });
    if (answer === undefined) throw err;
    return answer;
  }
}

/** Rules are for websites. Who asks for blocks, archives or data wants what is there. */
function isForPeople(request: ContentRequest): boolean {
  return selectFormat(request.path.query, request.accept).format === "default";
}

async function websiteOf(
  request: ContentRequest,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<Website> {
  const { path } = request;
  if (path.namespace === "ipfs") return { root: parseCid(path.root), segments: [], nameMaxAgeMs: undefined };
  const resolved = await names.resolvePath(`/ipns/${path.root}`, nameOptionsOf(request, retrieval));
  const { root, segments } = parseContentPath(resolved.path, { percentEncoded: false });
  return { root: parseCid(root), segments, nameMaxAgeMs: resolved.maxAgeMs };
}

async function isProvedAbsent(
  { root, segments }: Website,
  below: readonly string[],
  retrieval: Retrieval,
): Promise<boolean> {
  try {
    return !(await resolvePath(root, [...segments, ...below], retrieval)).isFound;
  } catch (err) {
    if (isHoldfastError(err)) return false;
    throw err;
  }
}

/** Undefined when no rule applies. */
async function answerByRules(
  request: ContentRequest,
  website: Website,
  { names, retrieval }: { readonly names: NameResolver; readonly retrieval: Retrieval },
): Promise<GatewayAnswer | undefined> {
  const bytes = await readRedirectsFile(website, retrieval);
  if (bytes === undefined) return undefined;
  let match: RedirectMatch | undefined;
  try {
    const { segments, queryText } = request.path;
    match = applyRedirects(parseRedirectsFile(bytes), segments, queryText);
  } catch (err) {
    if (err instanceof RedirectsFileError) return unreadable(err.message);
    throw err;
  }
  if (match === undefined) return undefined;
  if (match.kind === "redirect") {
    const cache = cacheControl("content", website.nameMaxAgeMs);
    const headers = { location: match.location, "cache-control": cache, "content-length": "0" };
    return { status: match.status, headers, body: new Uint8Array() };
  }
  const answer = await answerContent(pageRequest(request, match), names, retrieval);
  return inPlaceOf(request, answer, match.status);
}

/** Undefined when the website has none. One byte more than the limit is enough to see that it is too long. */
async function readRedirectsFile(website: Website, retrieval: Retrieval): Promise<Uint8Array | undefined> {
  const found = await resolvePath(website.root, [...website.segments, "_redirects"], retrieval);
  if (!found.isFound || found.remainder.length > 0) return undefined;
  const node = await readNode(found.cid, retrieval);
  if (node.kind !== "file") return undefined;
  const last = Math.min(node.size - 1, REDIRECTS_FILE_BYTES_MAX);
  return collect(readFile(node, { first: 0, last }, retrieval));
}

function unreadable(why: string): GatewayAnswer {
  const body = Buffer.from(`could not parse _redirects: ${why}\n`);
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(body.byteLength),
    "cache-control": "no-store",
  };
  return { status: 500, headers, body };
}

/** An error page is sent whole, whatever part of it the client has or wants. */
function pageRequest(
  request: ContentRequest,
  { path, status }: { readonly path: string; readonly status: PageStatus },
): ContentRequest {
  const { namespace, root } = request.path;
  const { segments } = parseContentPath(`/${namespace}/${root}${path}`);
  const page = { ...request, path: { ...request.path, segments } };
  if (status === 200) return page;
  const unconditional = { ifNoneMatch: undefined, ifModifiedSince: undefined, ifRange: undefined };
  return { ...page, ...unconditional, range: undefined };
}

/** The answer names the path that was asked for, not the page that stands in its place. */
function inPlaceOf({ path }: ContentRequest, answer: GatewayAnswer, status: PageStatus): GatewayAnswer {
  const headers: Record<string, string> = {
    ...answer.headers,
    "x-ipfs-path": headerText(displayPath(path)),
  };
  if (status === 200 || answer.status !== 200) return { ...answer, headers };
  const { "accept-ranges": _, ...others } = headers;
  return { status, headers: others, body: answer.body };
}
