/** How long one turn of the event loop may be taken, and how many pieces: some only cost something after they were done. */
const TURN_MS_MAX = 0.25;
const TURN_PIECES_MAX = 32;

/** Work that is done in pieces; each call of `next` does one. Pieces do not throw. */
export type Pieces = Iterator<unknown>;

/**
 * Does much work, one thing after the other, a little in each turn of the event loop, so that nobody's request waits for it.
 * The first pieces are done at once when nothing else is under way.
 */
export class Turns {
  readonly #works = new Set<Pieces>();
  readonly #nowMs: () => number;
  #isRunning = false;

  /** @param nowMs an instant; never goes back. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  add(work: Pieces): void {
    this.#works.add(work);
    if (!this.#isRunning) this.#run();
  }

  addEach<T>(items: Iterable<T>, work: (item: T) => void): void {
    this.add(pieces(items, work));
  }

  /** Takes back work that has not begun. */
  remove(work: Pieces): void {
    this.#works.delete(work);
  }

  #run(): void {
    this.#isRunning = true;
    const endMs = this.#nowMs() + TURN_MS_MAX;
    let pieces = 0;
    // Work that is added on the way is seen by the loop.
    for (const work of this.#works) {
      for (let isDone = false; !isDone; isDone = work.next().done === true) {
        if (pieces++ < TURN_PIECES_MAX && this.#nowMs() < endMs) continue;
        setImmediate(() => this.#run());
        return;
      }
      this.#works.delete(work);
    }
    this.#isRunning = false;
  }
}

function* pieces<T>(items: Iterable<T>, work: (item: T) => void): Generator<void> {
  for (const item of items) {
    work(item);
    yield;
  }
}
