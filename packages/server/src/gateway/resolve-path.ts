import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Retrieval } from "./retrieval.ts";
import { findInShards } from "./sharded-directory.ts";
import { assertUnixfsCodec, decodeUnixfsNode, type UnixfsNode } from "./unixfs-node.ts";

export interface ResolvedNode {
  readonly cid: CID;
  readonly node: UnixfsNode;
  /** The CID of the root and of each segment below it. */
  readonly roots: readonly CID[];
}

/**
 * Walks names through UnixFS directories, sharded ones included.
 *
 * @throws HoldfastError `CONTENT_NOT_FOUND` when a directory has no such name or a file is asked for one,
 *   `CONTENT_UNSUPPORTED`, and what reading a block throws.
 */
export async function resolveNode(
  root: CID,
  segments: readonly string[],
  retrieval: Retrieval,
): Promise<ResolvedNode> {
  const roots = [root];
  let cid = root;
  let node = await readNode(cid, retrieval);
  for (const name of segments) {
    const child = await findChild(cid, node, name, retrieval);
    if (child === undefined)
      throw new HoldfastError("CONTENT_NOT_FOUND", `no link named "${name}" under ${cid.toString()}`);
    cid = child;
    roots.push(cid);
    node = await readNode(cid, retrieval);
  }
  return { cid, node, roots };
}

async function readNode(cid: CID, retrieval: Retrieval): Promise<UnixfsNode> {
  // Before the block is looked for: that may take as long as the network allows.
  assertUnixfsCodec(cid);
  return decodeUnixfsNode(cid, await retrieval.get(cid));
}

/** The CID behind a path, without reading the block it names: for blocks of any codec. */
export async function resolveCid(
  root: CID,
  segments: readonly string[],
  retrieval: Retrieval,
): Promise<{ readonly cid: CID; readonly roots: readonly CID[] }> {
  const name = segments.at(-1);
  if (name === undefined) return { cid: root, roots: [root] };
  const parent = await resolveNode(root, segments.slice(0, -1), retrieval);
  const cid = await findChild(parent.cid, parent.node, name, retrieval);
  if (cid === undefined) {
    throw new HoldfastError("CONTENT_NOT_FOUND", `no link named "${name}" under ${parent.cid.toString()}`);
  }
  return { cid, roots: [...parent.roots, cid] };
}

/** The CID that a directory has under a name; undefined when it has none, and for what is no directory. */
export async function findChild(
  cid: CID,
  node: UnixfsNode,
  name: string,
  retrieval: Retrieval,
): Promise<CID | undefined> {
  switch (node.kind) {
    case "directory":
      return node.entries.find((entry) => entry.name === name)?.cid;
    case "sharded-directory":
      return findInShards(cid, name, retrieval);
    case "file":
    case "symlink":
      return undefined;
  }
}
