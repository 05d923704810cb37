import { type FileHandle, open } from "node:fs/promises";
import type { ListReader, Retire } from "../../pins/list/list-file.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { FileLines, stampOf } from "./file-lines.ts";

interface Parts {
  readonly reader: ListReader;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface ListFileOptions {
  readonly path: string;
  /** It is looked at this often, and read when it was the same twice in a row. */
  readonly lookMs: number;
  /** What it does not name any more is let go when it has stayed as it is for so long: whoever writes it has finished. */
  readonly settledMs: number;
}

/**
 * A list that an operator keeps in a file. It is looked at every few seconds: a poll also sees files that are replaced, or that lie on a
 * network. While it cannot be read, everything stays as it is.
 */
export class ListFile implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #options: ListFileOptions;
  readonly #closing = new AbortController();
  /** The file as it was seen last, and since when. */
  #stamp = "";
  #sinceMs = 0;
  #isRead = false;
  #retire: Retire | undefined;
  #problem = "";
  #cancel = (): void => {};
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: Parts, options: ListFileOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  start(): void {
    this.#looking = this.#look().then(() => {
      if (this.#closing.signal.aborted) return;
      this.#cancel = this.#parts.timers.after(this.#options.lookMs, () => this.start());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the node is stopping"));
    this.#cancel();
    await this.#looking;
  }

  /** Never throws. */
  async #look(): Promise<void> {
    const { logger } = this.#parts;
    try {
      await using file = await open(this.#options.path);
      await this.#lookAt(file);
      this.#problem = "";
    } catch (err) {
      if (this.#closing.signal.aborted) return;
      this.#stamp = "";
      const problem = err instanceof Error ? err.message : String(err);
      // Once for each problem, not every few seconds.
      if (problem !== this.#problem)
        logger.warn({ err, path: this.#options.path }, "a list cannot be read, nothing changes");
      this.#problem = problem;
    }
  }

  async #lookAt(file: FileHandle): Promise<void> {
    const { reader, clock } = this.#parts;
    const { signal } = this.#closing;
    const stamp = await stampOf(file);
    if (stamp !== this.#stamp) {
      [this.#stamp, this.#sinceMs, this.#isRead, this.#retire] = [stamp, clock.nowMs(), false, undefined];
      return;
    }
    if (!this.#isRead) {
      this.#retire = await reader.read(new FileLines(file, stamp), { signal });
      this.#isRead = true;
    } else if (this.#retire !== undefined && clock.nowMs() - this.#sinceMs >= this.#options.settledMs) {
      await this.#retire({ signal });
      this.#retire = undefined;
    }
  }
}
