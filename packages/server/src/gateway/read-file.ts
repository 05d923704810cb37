import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Retrieval } from "./retrieval.ts";
import { decodeUnixfsNode, type UnixfsNode } from "./unixfs-node.ts";

/** Blocks that are read ahead of the one that is being sent: hides the latency of sources and of the disk. */
const AHEAD_BLOCKS = 8;
/** Bound on what is read ahead, by the sizes that the parents claim. */
const AHEAD_BYTES = 8 * 1024 * 1024;
/** Balanced trees of 174 links reach 2^53 bytes at a depth of 6; a chain of nodes would recurse without end. */
const DEPTH_MAX = 64;

type FileNode = Extract<UnixfsNode, { kind: "file" }>;

/** A part of the file that has not been sent. `offset` is where it begins in the file. */
interface Piece {
  readonly cid: CID;
  readonly offset: number;
  readonly size: number;
  readonly depth: number;
  bytes?: Promise<Uint8Array>;
}

/**
 * Yields the bytes of a file from `first` to `last`, both included, in order. Reads only the blocks that hold them, some
 * ahead.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` when a block is not what its parent claims (a wrong length would make the
 *   answer's Content-Length a lie), and what reading a block throws.
 */
export async function* readFile(
  file: FileNode,
  range: { readonly first: number; readonly last: number },
  retrieval: Retrieval,
): AsyncGenerator<Uint8Array> {
  const own = cut(file.own, 0, range);
  if (own.byteLength > 0) yield own;
  const pieces = piecesOf(file, 0, 0, range);
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
    const arriving = readAhead([piece, ...pieces.slice(0, AHEAD_BLOCKS)], retrieval);
    const node = decodeUnixfsNode(piece.cid, await arriving);
    if (node.kind !== "file" || node.size !== piece.size) {
      throw new HoldfastError(
        "CONTENT_UNSUPPORTED",
        `${piece.cid.toString()} is not the part of the file that its parent claims`,
      );
    }
    const bytes = cut(node.own, piece.offset, range);
    if (bytes.byteLength > 0) yield bytes;
    if (node.parts.length === 0) continue;
    if (piece.depth >= DEPTH_MAX)
      throw new HoldfastError("CONTENT_UNSUPPORTED", "the file is nested too deeply");
    pieces.unshift(...piecesOf(node, piece.offset, piece.depth + 1, range));
  }
}

/** The parts that hold something of the range. Empty ones never do, so a tree of them cannot keep us busy. */
function piecesOf(
  file: FileNode,
  offset: number,
  depth: number,
  range: { readonly first: number; readonly last: number },
): Piece[] {
  const pieces: Piece[] = [];
  let at = offset + file.own.byteLength;
  for (const { cid, size } of file.parts) {
    if (at > range.last) break;
    if (size > 0 && at + size > range.first) pieces.push({ cid, offset: at, size, depth });
    at += size;
  }
  return pieces;
}

/** Starts reading the first piece and some after it; returns the first one's bytes. */
function readAhead(pieces: readonly Piece[], retrieval: Retrieval): Promise<Uint8Array> {
  let aheadBytes = 0;
  for (const piece of pieces) {
    if (aheadBytes > AHEAD_BYTES) break;
    aheadBytes += piece.size;
    if (piece.bytes !== undefined) continue;
    piece.bytes = retrieval.get(piece.cid);
    // Its turn may never come, when the client leaves or an earlier block fails.
    piece.bytes.catch(() => {});
  }
  return pieces[0]?.bytes ?? Promise.resolve(new Uint8Array());
}

/** What of the bytes, which begin at `offset` in the file, is in the range. */
function cut(
  bytes: Uint8Array,
  offset: number,
  range: { readonly first: number; readonly last: number },
): Uint8Array {
  const start = Math.max(0, range.first - offset);
  const end = Math.min(bytes.byteLength, range.last + 1 - offset);
  if (start >= end) return bytes.subarray(0, 0);
  return start === 0 && end === bytes.byteLength ? bytes : bytes.subarray(start, end);
}
