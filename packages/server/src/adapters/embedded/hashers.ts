import { hash } from "node:crypto";
import { from } from "multiformats/hashes/hasher";
import type { MultihashHasher } from "multiformats/hashes/interface";

const ALGORITHMS = [
  { code: 0x11, name: "sha1" },
  { code: 0x13, name: "sha512" },
  { code: 0x14, name: "sha3-512" },
  { code: 0x16, name: "sha3-256" },
  { code: 0x20, name: "sha384" },
] as const;

/** Beside sha2-256, which Helia brings: bitswap hashes each block that comes in to learn its CID. */
export const HASHERS: MultihashHasher[] = ALGORITHMS.map(({ code, name }) =>
  from({ code, name, encode: (bytes) => new Uint8Array(hash(name, bytes, "buffer")) }),
);
