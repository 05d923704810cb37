import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { DirectoryEntry } from "./directory-entry.ts";
import type { Retrieval } from "./retrieval.ts";
import { entriesOf, hashOfName, placeOf, type Shard, subShardsOf } from "./shard.ts";
import { decodeUnixfsNode, type ShardedNode } from "./unixfs-node.ts";
import { type Visit, walkBlocks } from "./walk-blocks.ts";

interface ShardStop {
  readonly cid: CID;
  readonly depth: number;
}

/** A hash of 64 bits is used up after so many levels of the narrowest shards. */
const DEPTH_MAX = 64;

/**
 * Finds a name; reads one block per level.
 *
 * @param onBlock called for each shard that is read: together they prove the answer, also that the name is absent.
 * @throws HoldfastError `CONTENT_UNSUPPORTED` when the shards are malformed, and what reading a block throws.
 */
export async function findInShards(
  directory: ShardedNode,
  name: string,
  retrieval: Retrieval,
  onBlock: (cid: CID) => void = () => {},
): Promise<CID | undefined> {
  const hash = hashOfName(name);
  let { shard } = directory;
  for (let depth = 0; ; depth++) {
    const place = placeOf(shard, hash, name, depth);
    if (place === undefined) return undefined;
    if ("entry" in place) return place.entry;
    onBlock(place.shard);
    shard = decodeShard(place.shard, await retrieval.get(place.shard));
  }
}

/** All entries, in the order of the shards. Reads every block of the directory, some ahead. */
export async function* shardedEntries(
  directory: ShardedNode,
  retrieval: Retrieval,
): AsyncGenerator<DirectoryEntry> {
  yield* entriesOf(directory.shard);
  for await (const { stop, bytes } of walkShards(directory, retrieval))
    yield* entriesOf(decodeShard(stop.cid, bytes));
}

/** The blocks of the directory itself below its first one, depth first. */
export function walkShards(directory: ShardedNode, retrieval: Retrieval): AsyncGenerator<Visit<ShardStop>> {
  const expand = ({ cid, depth }: ShardStop, bytes: Uint8Array): ShardStop[] => {
    if (depth >= DEPTH_MAX)
      throw new HoldfastError("CONTENT_UNSUPPORTED", "the directory is nested too deeply");
    return stopsOf(decodeShard(cid, bytes), depth + 1);
  };
  return walkBlocks(stopsOf(directory.shard, 0), expand, retrieval);
}

function stopsOf(shard: Shard, depth: number): ShardStop[] {
  return subShardsOf(shard).map((cid) => ({ cid, depth }));
}

function decodeShard(cid: CID, bytes: Uint8Array): Shard {
  const node = decodeUnixfsNode(cid, bytes);
  if (node.kind === "sharded-directory") return node.shard;
  throw new HoldfastError("CONTENT_UNSUPPORTED", `${cid.toString()} is not a shard of a directory`);
}
