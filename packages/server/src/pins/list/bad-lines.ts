import { isHoldfastError } from "@holdfast/core";
import type { Logger } from "../../telemetry/logger.ts";

const REPORTED_MAX = 20;

/** The lines of a file that say nothing, counted and reported once. */
export class BadLines {
  readonly #lines: { readonly line: number; readonly problem: string }[] = [];
  #line = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** What the next line says; undefined when that is nothing. */
  parse<T>(parseNext: () => T): T | undefined {
    this.#line += 1;
    try {
      return parseNext();
    } catch (err) {
      const problem = err instanceof Error ? err.message.slice(0, 200) : "malformed";
      if (!isHoldfastError(err)) throw err;
      this.#count += 1;
      if (this.#lines.length < REPORTED_MAX) this.#lines.push({ line: this.#line, problem });
      return undefined;
    }
  }

  report(logger: Logger, what: string): void {
    if (this.#count > 0) logger.warn({ lines: this.#lines, count: this.#count }, what);
  }
}
