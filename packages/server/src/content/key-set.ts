import type { CID } from "multiformats/cid";

/** Four words of a digest are enough to tell blocks apart: finding two blocks that share them takes 2^64 hashes. */
const WORDS = 4;
const SLOTS_MIN = 256;

/**
 * A set of blocks by multihash that needs 16 bytes for each and some room to grow: sweeps hold millions of them, and strings
 * would need seven times as much. Nothing is ever found in it that was not added, except by somebody who spends 2^64
 * hashes to make two blocks of their own look like one.
 */
export class KeySet {
  readonly #byCodec: boolean;
  #words = new Uint32Array(SLOTS_MIN * WORDS);
  #size = 0;

  /** With `byCodec` the same bytes under two codecs are two members: their links differ. */
  constructor({ byCodec = false }: { readonly byCodec?: boolean } = {}) {
    this.#byCodec = byCodec;
  }

  get size(): number {
    return this.#size;
  }

  has(cid: CID): boolean {
    const key = this.#wordsOf(cid);
    return isAt(this.#words, slotOf(this.#words, key), key);
  }

  /** @returns whether it is new. */
  add(cid: CID): boolean {
    const key = this.#wordsOf(cid);
    const at = slotOf(this.#words, key);
    if (isAt(this.#words, at, key)) return false;
    this.#words.set(key, at);
    this.#size++;
    if (this.#size * 3 > (this.#words.length / WORDS) * 2) this.#grow();
    return true;
  }

  /** Of a digest with fewer bytes the rest is zero; zeros alone would be an empty slot. */
  #wordsOf({ code, multihash: { digest } }: CID): Uint32Array {
    const words = new Uint32Array(WORDS);
    new Uint8Array(words.buffer).set(digest.subarray(0, WORDS * 4));
    if (this.#byCodec) words[0] = (words[0] ?? 0) ^ code;
    if (isEmpty(words, 0)) words[0] = 1;
    return words;
  }

  #grow(): void {
    const before = this.#words;
    const words = new Uint32Array(before.length * 2);
    for (let at = 0; at < before.length; at += WORDS) {
      const key = before.subarray(at, at + WORDS);
      if (!isEmpty(before, at)) words.set(key, slotOf(words, key));
    }
    this.#words = words;
  }
}

/** Differs in each process, so that nobody can choose blocks that all want the same slot. */
const SEED = crypto.getRandomValues(new Uint32Array(WORDS));

/** Where the key is, or else the empty slot where it belongs. */
function slotOf(words: Uint32Array, key: Uint32Array): number {
  let hash = 0;
  for (let i = 0; i < WORDS; i++) {
    hash = Math.imul(hash ^ (key[i] ?? 0) ^ (SEED[i] ?? 0), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  const mask = words.length - 1;
  let at = (Math.imul(hash, WORDS) >>> 0) & mask;
  while (!isEmpty(words, at) && !isAt(words, at, key)) at = (at + WORDS) & mask;
  return at;
}

function isEmpty(words: Uint32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0;
}

function isAt(words: Uint32Array, at: number, key: Uint32Array): boolean {
  return (
    words[at] === key[0] && words[at + 1] === key[1] && words[at + 2] === key[2] && words[at + 3] === key[3]
  );
}
