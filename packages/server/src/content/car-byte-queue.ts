/** Bytes that arrive in chunks of any size and are taken in pieces of other sizes. Reads no further than it is asked to. */
export class ByteQueue {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();
  /** In `#chunk`. */
  #at = 0;
  #taken = 0;
  #isDone = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** How many bytes were taken or skipped so far. */
  get taken(): number {
    return this.#taken;
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#at === this.#chunk.byteLength && !this.#isDone) await this.#next();
    return this.#at === this.#chunk.byteLength;
  }

  async takeByte(): Promise<number | undefined> {
    if (this.#at === this.#chunk.byteLength && (await this.isAtEnd())) return undefined;
    this.#taken++;
    return this.#chunk[this.#at++];
  }

  /** A copy of so many bytes; undefined when they end before. */
  async take(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const start = this.#chunk.subarray(this.#at);
    if (start.byteLength >= length) {
      this.#advance(length);
      return Uint8Array.from(start.subarray(0, length));
    }
    // Collected before anything is reserved: a length that is a lie costs what was really sent.
    const pieces = [start];
    let missing = length - start.byteLength;
    this.#advance(start.byteLength);
    while (missing > 0) {
      if (await this.isAtEnd()) return undefined;
      const piece = this.#chunk.subarray(this.#at, this.#at + missing);
      pieces.push(piece);
      missing -= piece.byteLength;
      this.#advance(piece.byteLength);
    }
    const joined = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece, at);
      at += piece.byteLength;
    }
    return joined;
  }

  /** @returns how many bytes there were to skip. */
  async skip(length: number): Promise<number> {
    let skipped = 0;
    while (skipped < length && !(await this.isAtEnd())) {
      const step = Math.min(length - skipped, this.#chunk.byteLength - this.#at);
      this.#advance(step);
      skipped += step;
    }
    return skipped;
  }

  async #next(): Promise<void> {
    const { done, value } = await this.#chunks.next();
    if (done === true) {
      this.#isDone = true;
      return;
    }
    this.#chunk = value;
    this.#at = 0;
  }

  #advance(length: number): void {
    this.#at += length;
    this.#taken += length;
  }
}
