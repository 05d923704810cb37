import { HoldfastError } from "@holdfast/core";

const MIB = 1024 * 1024;

/** What peers exchange (`bitswap`), and what Kubo takes unless it is told otherwise. */
const BLOCK_BYTES_MAX = 2 * MIB;
/** With `allow-big-block`. A block is held in memory as a whole, so there is a bound all the same. */
const BIG_BLOCK_BYTES_MAX = 4 * MIB;
/**
 * What `/sidecar/submit` takes, as the reference system: more than what peers exchange. A backend that has pinned such a block
 * has to give it back.
 */
export const SUBMITTED_BLOCK_BYTES_MAX = 32 * MIB;

export function blockBytesMaxOf(options: { readonly allowBigBlock: boolean }): number {
  return options.allowBigBlock ? BIG_BLOCK_BYTES_MAX : BLOCK_BYTES_MAX;
}

/** `BODY_TOO_LARGE`, in Kubo's words where Kubo refuses it too. */
export function blockTooLarge(blockBytesMax: number): HoldfastError {
  const advice =
    "consider using UnixFS for automatic chunking of bigger files, or pass --allow-big-block to override";
  return new HoldfastError(
    "BODY_TOO_LARGE",
    blockBytesMax === BLOCK_BYTES_MAX
      ? `produced block is over 2MiB: big blocks can't be exchanged with other peers. ${advice}`
      : `a block of more than ${blockBytesMax} bytes`,
  );
}
