import type { Logger } from "../../telemetry/logger.ts";
import { BadLines } from "../list/bad-lines.ts";
import type { Follows, FollowWish } from "./follows.ts";
import type { ListLines, ListReader, Retire } from "../list/list-file.ts";
import { withoutComment } from "../list/pin-list-line.ts";

export interface FollowListParts {
  readonly follows: Pick<Follows, "setListed">;
  /** Reads one entry. @throws HoldfastError for what is none. */
  readonly parse: (entry: string) => FollowWish;
  readonly logger: Logger;
}

/** The operator's file of names that are followed: one a line, with how many versions are to stay. */
export class FollowList implements ListReader {
  readonly #parts: FollowListParts;
  readonly #namesMax: number;

  constructor(parts: FollowListParts, options: { readonly namesMax: number }) {
    this.#parts = parts;
    this.#namesMax = options.namesMax;
  }

  async read(lines: ListLines, { signal }: { readonly signal: AbortSignal }): Promise<Retire | undefined> {
    const { follows, parse, logger } = this.#parts;
    const wishes = new Map<string, FollowWish>();
    const bad = new BadLines();
    let leftOut = 0;
    for await (const batch of lines) {
      signal.throwIfAborted();
      for (const line of batch) {
        const entry = withoutComment(line);
        const wish = bad.parse(() => (entry === "" ? undefined : parse(entry)));
        if (wish === undefined) continue;
        if (wishes.size < this.#namesMax || wishes.has(wish.name.text)) wishes.set(wish.name.text, wish);
        else leftOut += 1;
      }
    }
    const listed = [...wishes.values()];
    leftOut += await follows.setListed("setting", listed, { isComplete: false });
    bad.report(logger, "lines of the list of followed names that are no names");
    if (leftOut > 0) logger.warn({ leftOut }, "too many names to follow: the last ones are left out");
    logger.info({ names: listed.length }, "list of followed names read");
    if (lines.isWhole && bad.count === 0 && listed.length > 0) {
      return async () => {
        await follows.setListed("setting", listed, { isComplete: true });
      };
    }
    logger.warn(
      { names: listed.length, badLines: bad.count, isWhole: lines.isWhole },
      "the list of followed names is empty, has bad lines or no end of line at its end: nothing is released",
    );
    return undefined;
  }
}
