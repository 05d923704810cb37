/** A small seeded generator (mulberry32): the same seed gives the same test. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 ≤ result < bound. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new Error("there is nothing to pick from");
    return choices[this.below(choices.length)] as T;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** One of the ways in which bytes get damaged or forged on their way. */
export function mutate(random: SeededRandom, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  const copy = Uint8Array.from(bytes);
  switch (random.below(8)) {
    case 0:
    case 1:
      copy[Math.min(at, copy.length - 1)] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3:
      return join(copy.subarray(0, at), other.subarray(random.below(other.length + 1)));
    case 4:
      return join(copy, other);
    case 5:
      return join(copy.subarray(0, at), random.bytes(1 + random.below(8)), copy.subarray(at));
    case 6:
      return join(copy.subarray(0, at), copy.subarray(at + 1 + random.below(4)));
    default: {
      for (let i = 0; i < 1 + random.below(6); i++) copy[random.below(copy.length)] = random.below(256);
      return copy;
    }
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
