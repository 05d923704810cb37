import { open } from "node:fs/promises";
import { type IpnsName, parseIpnsName } from "@holdfast/core";
import type { WarmNames } from "../../records/lookup/fresh-keeper.ts";
import type { Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";

/** Ten thousand names with comments. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const LOOK_MS = 5_000;

interface Parts {
  readonly timers: Timers;
  readonly logger: Logger;
}

interface Options {
  readonly path: string;
  readonly namesMax: number;
}

/**
 * The names of a text file, one a line, `#` for comments. It is looked at every few seconds: a poll also sees files that are
 * replaced, or that lie on a network. While it cannot be read, the names that it had stay; lines that are no names are left out.
 */
export class WarmNamesFile implements WarmNames, AsyncDisposable {
  readonly #parts: Parts;
  readonly #options: Options;
  #names: readonly IpnsName[] = [];
  #seen = "";
  #problem = "";
  #isClosed = false;
  #cancel = (): void => {};
  #looking: Promise<void>;

  constructor(parts: Parts, options: Options) {
    this.#parts = parts;
    this.#options = options;
    this.#looking = this.#look();
  }

  names(): readonly IpnsName[] {
    return this.#names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      await this.#readIfChanged();
      this.#problem = "";
    } catch (err) {
      const { message } = err as Error;
      // Once for each problem, not every few seconds.
      if (message !== this.#problem)
        this.#parts.logger.warn({ err }, "the list of warm names cannot be read");
      this.#problem = message;
    }
    if (this.#isClosed) return;
    this.#cancel = this.#parts.timers.after(LOOK_MS, () => {
      this.#looking = this.#look();
    });
  }

  async #readIfChanged(): Promise<void> {
    await using file = await open(this.#options.path);
    const { mtimeNs, size, ino } = await file.stat({ bigint: true });
    const seen = `${ino} ${size} ${mtimeNs}`;
    if (seen === this.#seen) return;
    if (size > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
    const { names, badLines, leftOut } = namesIn(await file.readFile("utf8"), this.#options.namesMax);
    this.#seen = seen;
    this.#names = names;
    this.#parts.logger.info({ names: names.length }, "list of warm names read");
    if (badLines.length > 0)
      this.#parts.logger.warn(
        { lines: badLines.slice(0, 20), count: badLines.length },
        "lines of the list of warm names that are no IPNS names",
      );
    if (leftOut > 0) this.#parts.logger.warn({ leftOut }, "too many warm names: the last ones are left out");
  }
}

function namesIn(
  text: string,
  namesMax: number,
): { readonly names: readonly IpnsName[]; readonly badLines: readonly number[]; readonly leftOut: number } {
  const names = new Map<string, IpnsName>();
  const badLines: number[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const word = line.replace(/#.*/, "").trim();
    if (word === "") continue;
    try {
      const name = parseIpnsName(word);
      names.set(name.text, name);
    } catch {
      // The log names the line.
      badLines.push(i + 1);
    }
  }
  const all = [...names.values()];
  return { names: all.slice(0, namesMax), badLines, leftOut: Math.max(0, all.length - namesMax) };
}
