/** Lets so many in at once; the others wait in line. */
export class Slots {
  #free: number;
  readonly #line = new Set<() => void>();

  constructor(slotsMax: number) {
    this.#free = slotsMax;
  }

  /** Settles with a slot, to be disposed of. @throws the signal's reason when it aborts before. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    return { [Symbol.dispose]: () => this.#leave() };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => {
      if (this.#line.delete(resolve)) reject(signal.reason as Error);
    };
    this.#line.add(resolve);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** The slot goes to the first in line. */
  #leave(): void {
    for (const next of this.#line) {
      this.#line.delete(next);
      next();
      return;
    }
    this.#free++;
  }
}
