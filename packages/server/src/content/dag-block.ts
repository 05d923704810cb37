import { HoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { multihashOf } from "./block-hash.ts";
import type { Block } from "./block-store.ts";

/** Multicodec names, for the hash functions that blocks can be checked with here. */
const HASH_CODES: ReadonlyMap<string, number> = new Map([
  ["sha1", 0x11],
  ["sha2-256", 0x12],
  ["sha2-384", 0x20],
  ["sha2-512", 0x13],
  ["sha3-224", 0x17],
  ["sha3-256", 0x16],
  ["sha3-384", 0x15],
  ["sha3-512", 0x14],
]);

/** @throws HoldfastError `INVALID_ARGUMENT` for a function that blocks cannot be checked with here. */
export function hashCodeOf(name: string): number {
  const code = HASH_CODES.get(name);
  if (code !== undefined) return code;
  const offered = [...HASH_CODES.keys()].join(", ");
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `hash ${JSON.stringify(name.slice(0, 50))} is not offered, only ${offered}`,
  );
}

/**
 * A block of these bytes with its CID.
 *
 * @param form.version 0 only with the codec `dag-pb` and SHA-256.
 */
export function createBlock(
  bytes: Uint8Array,
  form: { readonly version: 0 | 1; readonly codecCode: number; readonly hashCode: number },
): Block {
  const multihash = multihashOf(form.hashCode, bytes);
  if (multihash === undefined) throw new HoldfastError("INVALID_ARGUMENT", "this hash is not offered");
  return { cid: CID.create(form.version, form.codecCode, multihash), bytes };
}
