import { decode } from "@ipld/dag-pb";
import { HoldfastError } from "@holdfast/core";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";

const RAW_CODEC = 0x55;
const DAG_PB_CODEC = 0x70;

interface FilePart {
  readonly cid: CID;
  /** Bytes of the file below this link. */
  readonly size: number;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly cid: CID;
  /** Size of all blocks below, as its maker claims; undefined when it does not. */
  readonly dagBytes: number | undefined;
}

export type UnixfsNode =
  /** `own` are the first bytes of the file, `parts` the rest in order; `size` is the sum. */
  | {
      readonly kind: "file";
      readonly size: number;
      readonly own: Uint8Array;
      readonly parts: readonly FilePart[];
    }
  | { readonly kind: "directory"; readonly entries: readonly DirectoryEntry[] }
  | { readonly kind: "sharded-directory" }
  | { readonly kind: "symlink"; readonly target: string };

/**
 * Decodes a block as UnixFS. A raw block is a file.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for another codec and for what is no UnixFS.
 * @see https://specs.ipfs.tech/unixfs/
 */
export function decodeUnixfsNode(cid: CID, bytes: Uint8Array): UnixfsNode {
  assertUnixfsCodec(cid);
  if (cid.code === RAW_CODEC) return { kind: "file", size: bytes.byteLength, own: bytes, parts: [] };
  const { links, data } = decodeDagPb(cid, bytes);
  switch (data.type) {
    case "file":
    case "raw":
      return fileOf(cid, data, links);
    case "directory":
      return { kind: "directory", entries: links.map(entryOf) };
    case "hamt-sharded-directory":
      return { kind: "sharded-directory" };
    case "symlink":
      return { kind: "symlink", target: new TextDecoder().decode(data.data ?? new Uint8Array()) };
    default:
      throw unsupported(`${cid.toString()} is UnixFS of the type "${data.type}", which has no content`);
  }
}

/** @throws HoldfastError `CONTENT_UNSUPPORTED` when a block of this CID cannot be UnixFS, whatever its bytes are. */
export function assertUnixfsCodec(cid: CID): void {
  if (cid.code === RAW_CODEC || cid.code === DAG_PB_CODEC) return;
  throw unsupported(
    `${cid.toString()} has the codec 0x${cid.code.toString(16)}, which is not a file or directory`,
  );
}

type Link = ReturnType<typeof decode>["Links"][number];

function decodeDagPb(cid: CID, bytes: Uint8Array): { links: readonly Link[]; data: UnixFS } {
  try {
    const { Links, Data } = decode(bytes);
    if (Data === undefined) throw new Error("no data");
    return { links: Links, data: UnixFS.unmarshal(Data) };
  } catch (cause) {
    throw new HoldfastError("CONTENT_UNSUPPORTED", `${cid.toString()} is not UnixFS`, { cause });
  }
}

function fileOf(cid: CID, data: UnixFS, links: readonly Link[]): UnixfsNode {
  const own = data.data ?? new Uint8Array();
  if (data.blockSizes.length !== links.length)
    throw unsupported(`${cid.toString()} does not say how large its parts are`);
  const parts = links.map(({ Hash }, index) => ({ cid: Hash, size: Number(data.blockSizes[index]) }));
  const size = parts.reduce((sum, part) => sum + part.size, own.byteLength);
  if (!Number.isSafeInteger(size))
    throw unsupported(`${cid.toString()} claims to be larger than a file can be`);
  return { kind: "file", size, own, parts };
}

function entryOf({ Name, Hash, Tsize }: Link): DirectoryEntry {
  return { name: Name ?? "", cid: Hash, dagBytes: Tsize };
}

function unsupported(message: string): HoldfastError {
  return new HoldfastError("CONTENT_UNSUPPORTED", message);
}
