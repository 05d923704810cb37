import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { DAG_PB, documentFormatOf, RAW } from "./codecs.ts";
import { decodeDocument, fieldOf, linkOf } from "./ipld.ts";
import type { Retrieval } from "./retrieval.ts";
import { findInShards } from "./sharded-directory.ts";
import { assertUnixfsCodec, decodeDagPb, decodeUnixfsNode, type UnixfsNode } from "./unixfs-node.ts";

export interface ResolvedPath {
  readonly isFound: true;
  /** The block in which the path ends. It has not been read, unless it is in `proof`. */
  readonly cid: CID;
  /** The CID of the root and of each segment below it; a field inside a document has the CID of its block. */
  readonly roots: readonly CID[];
  /** Names that lead to a field inside the block. Empty when the path leads to the block itself. */
  readonly remainder: readonly string[];
  /** The blocks that were read, in order, shards of directories included: they prove where the path leads. */
  readonly proof: readonly CID[];
}

export interface AbsentPath {
  readonly isFound: false;
  /** The first segment that does not exist, and the block that shows it. */
  readonly segment: string;
  readonly under: CID;
  readonly proof: readonly CID[];
}

type Step =
  /** A link was followed; `used` segments led to it. */
  | { readonly kind: "link"; readonly cid: CID; readonly used: number }
  /** All segments are used up and led to something that is not a link. */
  | { readonly kind: "field" }
  | { readonly kind: "absent"; readonly segment: string };

/**
 * Walks names through directories (sharded ones included), through the links of other dag-pb blocks, and through the fields of
 * dag-cbor, dag-json, cbor and json documents. Symlinks are not followed.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED`, and what reading a block throws.
 */
export async function resolvePath(
  root: CID,
  segments: readonly string[],
  retrieval: Retrieval,
): Promise<ResolvedPath | AbsentPath> {
  const roots = [root];
  const proof: CID[] = [];
  let cid = root;
  for (let at = 0; at < segments.length;) {
    const rest = segments.slice(at);
    const step = await stepFrom(cid, rest, retrieval, proof);
    switch (step.kind) {
      case "absent":
        return { isFound: false, segment: step.segment, under: cid, proof };
      case "field":
        return { isFound: true, cid, roots: [...roots, ...rest.map(() => cid)], remainder: rest, proof };
      case "link": {
        const here = cid;
        cid = step.cid;
        roots.push(...Array.from({ length: step.used - 1 }, () => here), cid);
        at += step.used;
      }
    }
  }
  return { isFound: true, cid, roots, remainder: [], proof };
}

/** As {@link resolvePath}. @throws HoldfastError `CONTENT_NOT_FOUND` too, when the path leads nowhere. */
export async function resolveExisting(
  root: CID,
  segments: readonly string[],
  retrieval: Retrieval,
): Promise<ResolvedPath> {
  const resolved = await resolvePath(root, segments, retrieval);
  if (resolved.isFound) return resolved;
  throw new HoldfastError(
    "CONTENT_NOT_FOUND",
    `no link named "${resolved.segment}" under ${resolved.under.toString()}`,
  );
}

/** @throws HoldfastError `CONTENT_UNSUPPORTED` when it is no file, directory or symlink, and what reading a block throws. */
export async function readNode(cid: CID, retrieval: Retrieval): Promise<UnixfsNode> {
  // Before the block is looked for: that may take as long as the network allows.
  assertUnixfsCodec(cid);
  return decodeUnixfsNode(cid, await retrieval.get(cid));
}

/** The CID that a directory has under a name; undefined when it has none, and for what is no directory. */
export async function findChild(
  node: UnixfsNode,
  name: string,
  retrieval: Retrieval,
  onBlock?: (cid: CID) => void,
): Promise<CID | undefined> {
  switch (node.kind) {
    case "directory":
      return node.entries.find((entry) => entry.name === name)?.cid;
    case "sharded-directory":
      return findInShards(node, name, retrieval, onBlock);
    case "file":
    case "symlink":
      return undefined;
  }
}

async function stepFrom(
  cid: CID,
  segments: readonly string[],
  retrieval: Retrieval,
  proof: CID[],
): Promise<Step> {
  const [segment = ""] = segments;
  if (documentFormatOf(cid.code) === undefined && cid.code !== DAG_PB && cid.code !== RAW) {
    throw new HoldfastError(
      "CONTENT_UNSUPPORTED",
      `${cid.toString()} has the codec 0x${cid.code.toString(16)}, through which no path can be followed here`,
    );
  }
  proof.push(cid);
  const bytes = await retrieval.get(cid);
  if (cid.code === RAW) return { kind: "absent", segment };
  if (cid.code !== DAG_PB) return stepThroughDocument(decodeDocument(cid, bytes), segments);
  const { unixfs, links } = decodeDagPb(cid, bytes);
  const child =
    unixfs === undefined
      ? links.find(({ name }) => name === segment)?.cid
      : await findChild(decodeUnixfsNode(cid, bytes), segment, retrieval, (shard) => proof.push(shard));
  return child === undefined ? { kind: "absent", segment } : { kind: "link", cid: child, used: 1 };
}

function stepThroughDocument(document: unknown, segments: readonly string[]): Step {
  let value = document;
  for (const [index, segment] of segments.entries()) {
    value = fieldOf(value, segment);
    if (value === undefined) return { kind: "absent", segment };
    const cid = linkOf(value);
    if (cid !== undefined) return { kind: "link", cid, used: index + 1 };
  }
  return { kind: "field" };
}
