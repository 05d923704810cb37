/**
 * A map that forgets what was not used for a while. Two generations instead of a list of uses: a hit in the young one, the
 * common case, costs one look-up and moves nothing.
 *
 * Holds at most twice `generationMax` entries.
 */
export class Generations<V> {
  readonly #generationMax: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(generationMax: number) {
    this.#generationMax = generationMax;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
