export interface FrameQueueParts {
  /** Handles one frame. The next one waits until it settles. Must not reject. */
  readonly handle: (frame: Buffer) => Promise<void> | undefined;
  /** Stops and restarts the reading of the socket. */
  readonly setPaused: (isPaused: boolean) => void;
}

export interface FrameQueueOptions {
  /** Past it the socket is not read. What was read from it already still comes, which is at most some 64 KiB. */
  readonly bytesMax: number;
  /** The event loop does something else after so many. */
  readonly framesPerTurn: number;
}

/** Frames between the socket and those who handle them: in order, bounded, and never long at a time. */
export class FrameQueue {
  readonly #parts: FrameQueueParts;
  readonly #options: FrameQueueOptions;
  #frames: Buffer[] = [];
  #bytes = 0;
  #isPaused = false;
  #isRunning = false;
  #isClosed = false;

  constructor(parts: FrameQueueParts, options: FrameQueueOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  push(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#frames.push(frame);
    this.#bytes += frame.byteLength;
    if (this.#bytes > this.#options.bytesMax) this.#setPaused(true);
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(() => void this.#run());
  }

  /** Drops what waits. */
  close(): void {
    this.#isClosed = true;
    this.#frames = [];
    this.#bytes = 0;
  }

  async #run(): Promise<void> {
    let handled = 0;
    // Taken as a whole: shifting single frames off a long array costs its length each time.
    while (this.#frames.length > 0) {
      const frames = this.#frames;
      this.#frames = [];
      for (const frame of frames) {
        if (this.#isClosed) break;
        await this.#parts.handle(frame);
        this.#bytes -= frame.byteLength;
        if (this.#isPaused && this.#bytes < this.#options.bytesMax / 2) this.#setPaused(false);
        if (++handled % this.#options.framesPerTurn === 0) await nextTurn();
      }
    }
    this.#isRunning = false;
  }

  #setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused || this.#isClosed) return;
    this.#isPaused = isPaused;
    this.#parts.setPaused(isPaused);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
