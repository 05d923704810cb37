import { decode } from "@ipld/dag-pb";
import { HoldfastError } from "@holdfast/core";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import { DAG_PB, RAW } from "./codecs.ts";
import type { DirectoryEntry } from "./directory-entry.ts";
import { type Shard, shardOf } from "./shard.ts";

interface FilePart {
  readonly cid: CID;
  /** Bytes of the file below this link. */
  readonly size: number;
}

interface Metadata {
  /** Ms since the Unix epoch, if noted (UnixFS 1.5). */
  readonly mtimeMs: number | undefined;
  /** Permissions, e.g. `0o644`; the usual ones when none are noted. */
  readonly mode: number;
}

/** `own` are the first bytes of the file, `parts` the rest in order; `size` is the sum. */
export interface FileNode extends Metadata {
  readonly kind: "file";
  readonly size: number;
  readonly own: Uint8Array;
  readonly parts: readonly FilePart[];
}

export interface DirectoryNode extends Metadata {
  readonly kind: "directory";
  readonly entries: readonly DirectoryEntry[];
}

/** A directory that is spread over many blocks (a HAMT); this is the first of them. */
export interface ShardedNode extends Metadata {
  readonly kind: "sharded-directory";
  readonly shard: Shard;
}

export interface SymlinkNode extends Metadata {
  readonly kind: "symlink";
  readonly target: string;
}

export type UnixfsNode = FileNode | DirectoryNode | ShardedNode | SymlinkNode;

/**
 * Decodes a block as UnixFS. A raw block is a file.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for another codec and for what is no UnixFS.
 * @see https://specs.ipfs.tech/unixfs/
 */
export function decodeUnixfsNode(cid: CID, bytes: Uint8Array): UnixfsNode {
  assertUnixfsCodec(cid);
  if (cid.code === RAW) {
    return { kind: "file", size: bytes.byteLength, own: bytes, parts: [], mtimeMs: undefined, mode: 0o644 };
  }
  const { links, unixfs } = decodeDagPb(cid, bytes);
  if (unixfs === undefined) throw unsupported(`${cid.toString()} is not UnixFS`);
  const metadata = metadataOf(unixfs);
  switch (unixfs.type) {
    case "file":
    case "raw":
      return { ...fileOf(cid, unixfs, links), ...metadata };
    case "directory":
      return { kind: "directory", entries: links, ...metadata };
    case "hamt-sharded-directory":
      return { kind: "sharded-directory", shard: shardOf(cid, unixfs, links), ...metadata };
    case "symlink":
      return {
        kind: "symlink",
        target: new TextDecoder().decode(unixfs.data ?? new Uint8Array()),
        ...metadata,
      };
    default:
      throw unsupported(`${cid.toString()} is UnixFS of the type "${unixfs.type}", which has no content`);
  }
}

/** @throws HoldfastError `CONTENT_UNSUPPORTED` when a block of this CID cannot be UnixFS, whatever its bytes are. */
export function assertUnixfsCodec(cid: CID): void {
  if (cid.code === RAW || cid.code === DAG_PB) return;
  throw unsupported(
    `${cid.toString()} has the codec 0x${cid.code.toString(16)}, which is not a file or directory; ?format=raw gives the block`,
  );
}

/**
 * A dag-pb block with its links in order; `unixfs` is undefined when its data is not UnixFS, or of the reserved type "metadata",
 * of which nobody knows what its links are.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` when it is not dag-pb.
 */
export function decodeDagPb(
  cid: CID,
  bytes: Uint8Array,
): { readonly links: readonly DirectoryEntry[]; readonly unixfs: UnixFS | undefined } {
  let node: ReturnType<typeof decode>;
  try {
    node = decode(bytes);
  } catch (cause) {
    throw new HoldfastError("CONTENT_UNSUPPORTED", `${cid.toString()} is not dag-pb`, { cause });
  }
  const links = node.Links.map(({ Name, Hash, Tsize }) => ({ name: Name ?? "", cid: Hash, dagBytes: Tsize }));
  return { links, unixfs: node.Data === undefined ? undefined : unixfsOf(node.Data) };
}

function unixfsOf(data: Uint8Array): UnixFS | undefined {
  try {
    const unixfs = UnixFS.unmarshal(data);
    return unixfs.type === "metadata" ? undefined : unixfs;
  } catch {
    // Any bytes may stand in the data of a dag-pb block; that they are not UnixFS is an answer.
    return undefined;
  }
}

function fileOf(
  cid: CID,
  data: UnixFS,
  links: readonly DirectoryEntry[],
): Pick<FileNode, "kind" | "size" | "own" | "parts"> {
  const own = data.data ?? new Uint8Array();
  if (data.blockSizes.length !== links.length)
    throw unsupported(`${cid.toString()} does not say how large its parts are`);
  const parts = links.map((link, index) => ({ cid: link.cid, size: Number(data.blockSizes[index]) }));
  const size = parts.reduce((sum, part) => sum + part.size, own.byteLength);
  if (!Number.isSafeInteger(size))
    throw unsupported(`${cid.toString()} claims to be larger than a file can be`);
  return { kind: "file", size, own, parts };
}

function metadataOf(unixfs: UnixFS): Metadata {
  const mtimeMs =
    unixfs.mtime === undefined
      ? undefined
      : Number(unixfs.mtime.secs) * 1000 + (unixfs.mtime.nsecs ?? 0) / 1e6;
  // The epoch itself stands for "not known", as in Go; what no calendar can hold is nonsense.
  const isKnown = mtimeMs !== undefined && mtimeMs > 0 && !Number.isNaN(new Date(mtimeMs).getTime());
  return { mtimeMs: isKnown ? mtimeMs : undefined, mode: (unixfs.mode ?? 0o644) & 0o777 };
}

function unsupported(message: string): HoldfastError {
  return new HoldfastError("CONTENT_UNSUPPORTED", message);
}
