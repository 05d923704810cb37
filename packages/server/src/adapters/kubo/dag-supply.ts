import { isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE } from "../../content/block-hash.ts";
import type { BlockStore } from "../../content/block-store.ts";
import { encodeCarHeader, encodeCarSection } from "../../content/car-writer.ts";
import { isLeafCodec, linksOf } from "../../content/dag-codecs.ts";
import { walkDag, type WalkedNode } from "../../content/dag-walk.ts";

const READ_AHEAD = 8;
const NODES_MAX = 2_000_000;
/** Small blocks are sent together: a piece for each would cost more than its bytes. */
const PIECE_BYTES = 128 * 1024;

export interface Supply {
  /** Blocks that we hold, without what a CID carries itself. */
  readonly blocks: number;
  /** We hold every block of the DAG. */
  readonly isComplete: boolean;
}

export type HeldBlocks = Pick<BlockStore, "get" | "has">;

/** A block that was held a moment ago is not any more. */
export class SupplyChangedError extends Error {
  override readonly name = "SupplyChangedError";
}

/**
 * What is held of a DAG, as far as it can be reached from the root. Leaves are looked for, not read.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for a DAG that is too large to be walked; the signal's reason.
 */
export async function surveyDag(
  root: CID,
  held: HeldBlocks,
  { signal }: { readonly signal: AbortSignal },
): Promise<Supply> {
  let blocks = 0;
  let isComplete = true;
  const read = async (cid: CID): Promise<WalkedNode<Survey>> => {
    const isInlined = cid.multihash.code === IDENTITY_CODE;
    const blocks = isInlined ? 0 : 1;
    if (isLeafCodec(cid.code)) {
      return { value: isInlined || (await held.has(cid)) ? { blocks, isWhole: true } : MISSING, links: [] };
    }
    const bytes = isInlined ? cid.multihash.digest : await held.get(cid);
    if (bytes === undefined) return { value: MISSING, links: [] };
    const links = linksIn(cid, bytes);
    return { value: { blocks, isWhole: links !== undefined }, links: links ?? [] };
  };
  for await (const { value } of walkDag(root, read, { readAhead: READ_AHEAD, nodesMax: NODES_MAX })) {
    signal.throwIfAborted();
    blocks += value.blocks;
    isComplete &&= value.isWhole;
  }
  return { blocks, isComplete };
}

interface Survey {
  readonly blocks: number;
  /** The block is here and its links are known. */
  readonly isWhole: boolean;
}

const MISSING: Survey = { blocks: 0, isWhole: false };

export interface CarOptions {
  readonly signal: AbortSignal;
  /** Whether a block that is missing is left out; otherwise it is a {@link SupplyChangedError}. */
  readonly mayMiss: boolean;
  readonly onBlock: (bytes: number) => void;
}

/** What is held of a DAG as a CAR of version 1, in pieces; what a CID carries itself is left out. */
export async function* carOfHeld(
  root: CID,
  held: HeldBlocks,
  options: CarOptions,
): AsyncGenerator<Uint8Array> {
  const read = async (cid: CID): Promise<WalkedNode<Uint8Array | undefined>> => {
    const { code, digest } = cid.multihash;
    if (code === IDENTITY_CODE) return { value: undefined, links: linksIn(cid, digest) ?? [] };
    const bytes = await held.get(cid);
    if (bytes !== undefined) return { value: bytes, links: linksIn(cid, bytes) ?? [] };
    if (!options.mayMiss) throw new SupplyChangedError(`block ${cid.toString()} is gone`);
    return { value: undefined, links: [] };
  };
  let piece = [encodeCarHeader([root])];
  let pieceBytes = 0;
  for await (const { cid, value } of walkDag(root, read, { readAhead: READ_AHEAD, nodesMax: NODES_MAX })) {
    options.signal.throwIfAborted();
    if (value === undefined) continue;
    piece.push(encodeCarSection(cid, value));
    pieceBytes += value.byteLength;
    options.onBlock(value.byteLength);
    if (pieceBytes < PIECE_BYTES) continue;
    yield Buffer.concat(piece);
    piece = [];
    pieceBytes = 0;
  }
  if (piece.length > 0) yield Buffer.concat(piece);
}

/** Undefined when they cannot be read here; the repository may know the codec. */
function linksIn(cid: CID, bytes: Uint8Array): readonly CID[] | undefined {
  try {
    return linksOf(cid, bytes);
  } catch (err) {
    if (isHoldfastError(err)) return undefined;
    throw err;
  }
}
