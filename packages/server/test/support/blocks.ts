import { createHash } from "node:crypto";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import type { Block } from "../../src/content/block-store.ts";

const RAW = 0x55;
const SHA2_256 = 0x12;

/** The CID of some bytes. */
export function cidOf(bytes: Uint8Array, codec: number = RAW): CID {
  return CID.createV1(codec, Digest.create(SHA2_256, createHash("sha256").update(bytes).digest()));
}

export function blockOf(content: string | Uint8Array): Block {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { cid: cidOf(bytes), bytes };
}

/** Bytes that look random, differ in every part and are the same in every run. */
export function bytesOf(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}
