import type { FileHandle } from "node:fs/promises";
import type { ListLines } from "../../pins/list/list-file.ts";

/** What a line of a list can be; the rest of a longer one is dropped, and what is left says nothing. */
const LINE_CHARS_MAX = 4_096;
/** Parsing so many takes a millisecond. */
const BATCH_LINES = 64;
const READ_BYTES = 16 * 1024;

/** Equal as long as the file was neither written to nor replaced. */
export async function stampOf(file: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeNs } = await file.stat({ bigint: true });
  return `${dev} ${ino} ${size} ${mtimeNs}`;
}

/** The lines of an open file, of whatever size, in bounded memory. @throws Error when it is written to meanwhile. */
export class FileLines implements ListLines {
  readonly #file: FileHandle;
  readonly #stamp: string;
  #isWhole = false;

  constructor(file: FileHandle, stamp: string) {
    this.#file = file;
    this.#stamp = stamp;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly string[]> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(READ_BYTES);
    let rest = "";
    for (let position = 0; ;) {
      const { bytesRead } = await this.#file.read(buffer, 0, READ_BYTES, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      const lines = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split("\n");
      rest = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
      yield* batchesOf(lines);
    }
    rest += decoder.decode();
    if ((await stampOf(this.#file)) !== this.#stamp) throw new Error("it was written to while it was read");
    this.#isWhole = rest === "";
    if (rest !== "") yield [rest];
  }
}

function* batchesOf(lines: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < lines.length; at += BATCH_LINES) yield lines.slice(at, at + BATCH_LINES);
}
