import type { CID } from "multiformats/cid";

/** Tables that grow each by itself: growing all of a million at once would hold the thread for 50 ms. */
const TABLES = 256;
const SLOTS_MIN = 16;

/**
 * A set of CIDs in 16 to 32 bytes each, both versions of one being the same: for lists of millions. Knows each by 53 bits
 * of its digest, so that one that was not added is taken for one that was with a chance of one in 10⁹ for a million.
 */
export class CidFingerprints {
  readonly #tables = Array.from({ length: TABLES }, () => new PrintTable());

  add(cid: CID): void {
    const print = printOf(cid);
    this.#tableOf(print)?.add(print);
  }

  has(cid: CID): boolean {
    const print = printOf(cid);
    return this.#tableOf(print)?.has(print) === true;
  }

  #tableOf(print: number): PrintTable | undefined {
    return this.#tables[print % TABLES];
  }
}

class PrintTable {
  /** Open addressing; 0 is a free slot. */
  #slots = new Float64Array(SLOTS_MIN);
  #size = 0;

  add(print: number): void {
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    const index = this.#indexOf(print);
    if (this.#slots[index] === print) return;
    this.#slots[index] = print;
    this.#size += 1;
  }

  has(print: number): boolean {
    return this.#slots[this.#indexOf(print)] === print;
  }

  /** Of the print, or of the free slot where it belongs. */
  #indexOf(print: number): number {
    const slots = this.#slots;
    // What has chosen the table is the same for all that are in it.
    let index = Math.floor(print / TABLES) % slots.length;
    for (;;) {
      const found = slots[index];
      if (found === print || found === 0) return index;
      index = index + 1 === slots.length ? 0 : index + 1;
    }
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Float64Array(before.length * 2);
    for (const print of before) if (print !== 0) this.#slots[this.#indexOf(print)] = print;
  }
}

/** The digest's last bytes, which are random for every hash function, with the codec. Never 0. */
function printOf({ code, multihash: { digest } }: CID): number {
  let high = code & 0x1f_ffff;
  let low = digest.byteLength;
  for (let i = Math.max(0, digest.byteLength - 8); i < digest.byteLength; i++) {
    const byte = digest[i] ?? 0;
    high = (Math.imul(high, 31) ^ (low >>> 24)) & 0x1f_ffff;
    low = ((low << 8) | byte) >>> 0;
  }
  return high * 0x1_0000_0000 + low || 1;
}
