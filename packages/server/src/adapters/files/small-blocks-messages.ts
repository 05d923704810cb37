/**
 * What crosses between {@link SmallBlocks} and its writer thread. The blocks of a put travel packed in one buffer that is
 * transferred: a posted view would clone the whole buffer behind it, and 256 objects cost more than their bytes.
 */
export type ToSmallBlocksThread =
  | { readonly kind: "put"; readonly id: number; readonly blocks: PackedBlocks; readonly nowMs: number }
  /** These blocks, whose bytes are left empty. */
  | { readonly kind: "delete"; readonly id: number; readonly blocks: PackedBlocks }
  /** Moves the copy of this block aside if it is still corrupt when the message is read. */
  | { readonly kind: "set-aside"; readonly id: number; readonly multihash: Uint8Array<ArrayBuffer> }
  /** The last message: the thread checkpoints, closes the database and ends. */
  | { readonly kind: "close" };

export type FromSmallBlocksThread =
  /** What these messages asked for has reached the disk; `heldBytes`: what all blocks take now. */
  | { readonly kind: "done"; readonly ids: readonly number[]; readonly heldBytes: number }
  /** Nothing of what these messages asked for was written. */
  | { readonly kind: "failed"; readonly ids: readonly number[]; readonly reason: string };

/** The thread's `workerData`. */
export interface SmallBlocksThreadOptions {
  readonly databasePath: string;
}

export interface PackedBlocks {
  /** For each block the length of its multihash and of its bytes, by turns. */
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** For each block its multihash and its bytes, without gaps. */
  readonly content: Uint8Array<ArrayBuffer>;
}

/** @param blocks pairs of multihash and bytes; they are copied. */
export function packBlocks(blocks: readonly (readonly [Uint8Array, Uint8Array])[]): PackedBlocks {
  const lengths = new Uint32Array(blocks.length * 2);
  let contentBytes = 0;
  for (const [index, [multihash, bytes]] of blocks.entries()) {
    lengths[index * 2] = multihash.byteLength;
    lengths[index * 2 + 1] = bytes.byteLength;
    contentBytes += multihash.byteLength + bytes.byteLength;
  }
  const content = new Uint8Array(contentBytes);
  let at = 0;
  for (const part of blocks.flat()) {
    content.set(part, at);
    at += part.byteLength;
  }
  return { lengths, content };
}

export function* unpackBlocks({
  lengths,
  content,
}: PackedBlocks): Generator<readonly [Uint8Array, Uint8Array]> {
  let at = 0;
  for (let i = 0; i + 1 < lengths.length; i += 2) {
    const bytesAt = at + (lengths[i] ?? 0);
    const end = bytesAt + (lengths[i + 1] ?? 0);
    yield [content.subarray(at, bytesAt), content.subarray(bytesAt, end)];
    at = end;
  }
}
