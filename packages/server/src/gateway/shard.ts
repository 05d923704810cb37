import { HoldfastError } from "@holdfast/core";
import type { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import type { DirectoryEntry } from "./directory-entry.ts";
import { murmur3 } from "./murmur3.ts";

const FANOUT_MAX = 1024;

/**
 * One block of a sharded directory (a HAMT). The name of each link begins with its place among `2 ** bits`, in upper-case
 * hex of `digits` digits; nothing behind it means that the link leads to another shard, otherwise it is an entry.
 *
 * @see https://specs.ipfs.tech/unixfs/#dag-pb-hamtdirectory
 */
export interface Shard {
  readonly bits: number;
  readonly digits: number;
  readonly links: readonly DirectoryEntry[];
}

/**
 * NOTE: the hash function is not looked at, because ipfs-unixfs 13 does not read that field. Nobody uses another one than
 * murmur3-x64-64; with another, names are not found.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for a width that is not supported.
 */
export function shardOf(cid: CID, unixfs: UnixFS, links: readonly DirectoryEntry[]): Shard {
  const fanout = Number(unixfs.fanout ?? 0n);
  const bits = Math.log2(fanout);
  if (!Number.isInteger(bits) || bits < 1 || fanout > FANOUT_MAX) {
    throw new HoldfastError(
      "CONTENT_UNSUPPORTED",
      `${cid.toString()} is sharded by a width that is not supported`,
    );
  }
  return { bits, digits: (fanout - 1).toString(16).length, links };
}

export type Place = { readonly entry: CID } | { readonly shard: CID } | undefined;

/** Where a name is found in a shard that lies `depth` levels below the first one; undefined when it is in none. */
export function placeOf(shard: Shard, hash: bigint, name: string, depth: number): Place {
  const shift = 64 - shard.bits * (depth + 1);
  // The hash is used up: no directory that was made by the rules is so deep.
  if (shift < 0) return undefined;
  const index = (hash >> BigInt(shift)) & ((1n << BigInt(shard.bits)) - 1n);
  const prefix = index.toString(16).toUpperCase().padStart(shard.digits, "0");
  const link = shard.links.find((candidate) => candidate.name.startsWith(prefix));
  if (link === undefined) return undefined;
  if (link.name.length === shard.digits) return { shard: link.cid };
  return link.name.slice(shard.digits) === name ? { entry: link.cid } : undefined;
}

export function hashOfName(name: string): bigint {
  return murmur3(Buffer.from(name, "utf8"));
}

export function entriesOf({ digits, links }: Shard): DirectoryEntry[] {
  return links
    .filter(({ name }) => name.length > digits)
    .map(({ name, cid, dagBytes }) => ({ name: name.slice(digits), cid, dagBytes }));
}

export function subShardsOf({ digits, links }: Shard): CID[] {
  return links.filter(({ name }) => name.length === digits).map(({ cid }) => cid);
}
