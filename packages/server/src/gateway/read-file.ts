import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { ByteRange } from "./byte-range.ts";
import type { Retrieval } from "./retrieval.ts";
import { decodeUnixfsNode, type FileNode } from "./unixfs-node.ts";
import { type Visit, walkBlocks } from "./walk-blocks.ts";

/** Balanced trees of 174 links reach 2^53 bytes at a depth of 6; a chain of nodes would recurse without end. */
const DEPTH_MAX = 64;

/** A part of the file. `offset` is where it begins in the file. */
interface Piece {
  readonly cid: CID;
  readonly offset: number;
  readonly bytesHint: number;
  readonly depth: number;
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
  range: ByteRange,
  retrieval: Retrieval,
): AsyncGenerator<Uint8Array> {
  const own = cut(file.own, 0, range);
  if (own.byteLength > 0) yield own;
  for await (const { stop, bytes } of walkFile(file, range, retrieval)) {
    const part = cut(decodePiece(stop, bytes).own, stop.offset, range);
    if (part.byteLength > 0) yield part;
  }
}

/** The blocks below a file's first one that hold something of the range, in depth-first order. Throws as {@link readFile}. */
export function walkFile(
  file: FileNode,
  range: ByteRange,
  retrieval: Retrieval,
): AsyncGenerator<Visit<Piece>> {
  const expand = (piece: Piece, bytes: Uint8Array): Piece[] => {
    const node = decodePiece(piece, bytes);
    if (node.parts.length === 0) return [];
    if (piece.depth >= DEPTH_MAX)
      throw new HoldfastError("CONTENT_UNSUPPORTED", "the file is nested too deeply");
    return piecesOf(node, piece.offset, piece.depth + 1, range);
  };
  return walkBlocks(piecesOf(file, 0, 0, range), expand, retrieval);
}

function decodePiece(piece: Piece, bytes: Uint8Array): FileNode {
  const node = decodeUnixfsNode(piece.cid, bytes);
  if (node.kind === "file" && node.size === piece.bytesHint) return node;
  throw new HoldfastError(
    "CONTENT_UNSUPPORTED",
    `${piece.cid.toString()} is not the part of the file that its parent claims`,
  );
}

/** The parts that hold something of the range. Empty ones never do, so a tree of them cannot keep us busy. */
function piecesOf(file: FileNode, offset: number, depth: number, range: ByteRange): Piece[] {
  const pieces: Piece[] = [];
  let at = offset + file.own.byteLength;
  for (const { cid, size } of file.parts) {
    if (at > range.last) break;
    if (size > 0 && at + size > range.first) pieces.push({ cid, offset: at, bytesHint: size, depth });
    at += size;
  }
  return pieces;
}

/** What of the bytes, which begin at `offset` in the file, is in the range. */
function cut(bytes: Uint8Array, offset: number, range: ByteRange): Uint8Array {
  const start = Math.max(0, range.first - offset);
  const end = Math.min(bytes.byteLength, range.last + 1 - offset);
  if (start >= end) return bytes.subarray(0, 0);
  return start === 0 && end === bytes.byteLength ? bytes : bytes.subarray(start, end);
}
