import type { IpnsName } from "@holdfast/core";
import type { Logger } from "../telemetry/logger.ts";
import type { AnnouncedRecords } from "./pin-requests.ts";

export interface AnnouncedNamesParts {
  readonly records: Pick<AnnouncedRecords, "lookUp">;
  readonly logger: Logger;
}

export interface AnnouncedNamesOptions {
  readonly lookUpsMax: number;
  /** Names that wait. Further ones are dropped: they are looked up when somebody asks for them. */
  readonly waitingMax: number;
}

/** Names that were announced without a record, looked up a few at a time, so that one is held before somebody asks for it. */
export class AnnouncedNames implements AsyncDisposable {
  readonly #parts: AnnouncedNamesParts;
  readonly #options: AnnouncedNamesOptions;
  readonly #waiting = new Map<string, IpnsName>();
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(parts: AnnouncedNamesParts, options: AnnouncedNamesOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  want(name: IpnsName): void {
    if (this.#closing.signal.aborted || this.#waiting.size >= this.#options.waitingMax) return;
    this.#waiting.set(name.text, name);
    this.#startNext();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the node is stopping"));
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  #startNext(): void {
    const [next] = this.#waiting;
    if (next === undefined || this.#running.size >= this.#options.lookUpsMax) return;
    const [text, name] = next;
    this.#waiting.delete(text);
    const running = this.#lookUp(name).finally(() => {
      this.#running.delete(running);
      this.#startNext();
    });
    this.#running.add(running);
  }

  async #lookUp(name: IpnsName): Promise<void> {
    try {
      await this.#parts.records.lookUp(name, this.#closing.signal);
    } catch (err) {
      // Nobody waits for it. Whoever asks for the name causes a lookup of his own.
      this.#parts.logger.debug({ err, name: name.text }, "announced name not found");
    }
  }
}
