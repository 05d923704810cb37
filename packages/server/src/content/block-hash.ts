import { hash } from "node:crypto";
import type { CID } from "multiformats/cid";
import { create, type Digest } from "multiformats/hashes/digest";

/** Multihash code of the identity "hash": the CID itself carries the bytes. */
export const IDENTITY_CODE = 0x00;

/** Multihash code → the name that node:crypto has for it. What is missing here (BLAKE2b, BLAKE3) is refused, never trusted. */
const ALGORITHM_BY_CODE: Readonly<Record<number, string>> = {
  0x11: "sha1",
  0x12: "sha256",
  0x13: "sha512",
  0x14: "sha3-512",
  0x15: "sha3-384",
  0x16: "sha3-256",
  0x17: "sha3-224",
  0x20: "sha384",
};

/** Whether a block of this CID can be checked here at all. */
export function isHashSupported(cid: CID): boolean {
  return cid.multihash.code === IDENTITY_CODE || ALGORITHM_BY_CODE[cid.multihash.code] !== undefined;
}

/** The multihash of a block that is made here; undefined for a function that blocks cannot be checked with here. */
export function multihashOf(code: number, bytes: Uint8Array): Digest<number, number> | undefined {
  const algorithm = ALGORITHM_BY_CODE[code];
  return algorithm === undefined
    ? undefined
    : create(code, Uint8Array.from(hash(algorithm, bytes, "buffer")));
}

/**
 * Whether the bytes hash to the CID (R17, R19). A truncated digest never matches: accepting short ones would let anybody
 * find other bytes for it. Never throws.
 */
export function isBlockOf(cid: CID, bytes: Uint8Array): boolean {
  const { code, digest } = cid.multihash;
  if (code === IDENTITY_CODE) return Buffer.compare(digest, bytes) === 0;
  const algorithm = ALGORITHM_BY_CODE[code];
  return algorithm !== undefined && Buffer.compare(hash(algorithm, bytes, "buffer"), digest) === 0;
}

/** The multihash as a Map key: the same for every codec, version and spelling of the CID (R24). */
export function blockKeyOf(cid: CID): string {
  const { bytes } = cid.multihash;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
