/** Which names have to do with a key. */
export class NameIndex {
  readonly #names = new Map<string, Set<string>>();
  readonly #keys = new Map<string, readonly string[]>();

  /** These are the keys of the name from now on. */
  set(name: string, keys: readonly string[]): void {
    for (const key of this.#keys.get(name) ?? []) this.#drop(key, name);
    if (keys.length === 0) {
      this.#keys.delete(name);
      return;
    }
    this.#keys.set(name, keys);
    for (const key of keys) {
      const names = this.#names.get(key) ?? new Set();
      this.#names.set(key, names.add(name));
    }
  }

  namesOf(key: string): Iterable<string> {
    return this.#names.get(key) ?? [];
  }

  #drop(key: string, name: string): void {
    const names = this.#names.get(key);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(key);
  }
}
