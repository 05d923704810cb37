import type { EventFilter } from "../../announce/relays.ts";

/** One event of a page, as the relay sent it: nothing of it was checked. */
export interface PageEvent {
  readonly id: string;
  readonly createdAtS: number;
}

export interface PageRequest extends EventFilter {
  readonly since: number;
  readonly until?: number;
  readonly limit: number;
}

/** More of them is no relay that can be read to its end. */
const PAGES_MAX = 100_000;

/**
 * Reads everything that a relay has from an instant on, newest first, a page at a time. How many events a page has is the
 * relay's choice, so only an empty page, or one with nothing new, ends it.
 *
 * @param readPage settles when the relay has said that the page is complete and each of its events was handled.
 * @param onGap told about a second of which the relay may have more events than it gives: no filter reaches the others.
 * @throws what `readPage` throws.
 * @see protocols.md §6.5
 */
export async function catchUp(
  filter: EventFilter,
  { sinceS, limit }: { readonly sinceS: number; readonly limit: number },
  readPage: (request: PageRequest) => Promise<readonly PageEvent[]>,
  onGap: (createdAtS: number) => void,
): Promise<void> {
  let untilS: number | undefined;
  /** Ids at `untilS` of the page before: they come again, because `until` is inclusive. */
  let known: ReadonlySet<string> = new Set();
  /** A second that filled a page alone, if pages are smaller than asked for. */
  let stuckS: number | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const until = untilS === undefined ? {} : { until: untilS };
    const read = await readPage({ ...filter, since: sinceS, ...until, limit });
    const events = read.filter((event) => isWithin(event, sinceS, untilS));
    if (events.length === 0) return;
    // There are older events, and it gave none of them then: its page was full.
    if (stuckS !== undefined) onGap(stuckS);
    const oldestS = events.reduce((oldest, { createdAtS }) => Math.min(oldest, createdAtS), Infinity);
    const isStuck = oldestS === untilS && events.every(({ id }) => known.has(id));
    const isFull = events.length >= limit;
    if (isStuck && isFull) onGap(oldestS);
    stuckS = isStuck && !isFull ? oldestS : undefined;
    untilS = isStuck ? oldestS - 1 : oldestS;
    if (untilS < sinceS) return;
    known = new Set(events.flatMap(({ id, createdAtS }) => (createdAtS === oldestS ? [id] : [])));
  }
}

/** A relay that sends what it was not asked for does not steer us. */
function isWithin({ createdAtS }: PageEvent, sinceS: number, untilS: number | undefined): boolean {
  return createdAtS >= sinceS && createdAtS <= (untilS ?? Number.MAX_SAFE_INTEGER);
}
