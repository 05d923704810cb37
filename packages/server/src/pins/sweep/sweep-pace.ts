const BLOCKS_AT_ONCE = 8;
const BYTES_AT_ONCE = 512 * 1024;

/**
 * Lets everybody else have the event loop while a sweep works through many blocks: reading, hashing and decoding this many
 * takes about a millisecond.
 */
export class SweepPace {
  readonly #signal: AbortSignal;
  #blocks = 0;
  #bytes = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** To be awaited after each block. @throws the signal's reason when it has aborted. */
  async step(bytes = 0): Promise<void> {
    this.#signal.throwIfAborted();
    this.#bytes += bytes;
    if (++this.#blocks < BLOCKS_AT_ONCE && this.#bytes < BYTES_AT_ONCE) return;
    [this.#blocks, this.#bytes] = [0, 0];
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
