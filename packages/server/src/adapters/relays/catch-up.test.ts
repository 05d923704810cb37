import fc from "fast-check";
import { expect, test } from "vitest";
import { catchUp, type PageEvent, type PageRequest } from "./catch-up.ts";

/** Answers as NIP-01 says: newest first, ties by the lowest id, at most so many. */
function relayWith(events: readonly PageEvent[], pageMax: number) {
  const sorted = events.toSorted((a, b) => b.createdAtS - a.createdAtS || (a.id < b.id ? -1 : 1));
  const requests: PageRequest[] = [];
  const readPage = async (request: PageRequest): Promise<readonly PageEvent[]> => {
    requests.push(request);
    const { since, until = Number.POSITIVE_INFINITY, limit } = request;
    const matching = sorted.filter(({ createdAtS }) => createdAtS >= since && createdAtS <= until);
    return matching.slice(0, Math.min(limit, pageMax));
  };
  return { requests, readPage };
}

async function readAll(
  events: readonly PageEvent[],
  { pageMax, sinceS = 0 }: { readonly pageMax: number; readonly sinceS?: number },
): Promise<{ ids: Set<string>; gaps: number[]; requests: PageRequest[] }> {
  const { requests, readPage } = relayWith(events, pageMax);
  const ids = new Set<string>();
  const gaps: number[] = [];
  const noting = async (request: PageRequest): Promise<readonly PageEvent[]> => {
    const page = await readPage(request);
    for (const { id } of page) ids.add(id);
    return page;
  };
  await catchUp({ kinds: [78] }, { sinceS, limit: pageMax }, noting, (createdAtS) => gaps.push(createdAtS));
  return { ids, gaps, requests };
}

const eventAt = (createdAtS: number, id: number): PageEvent => ({ id: `${id}`.padStart(4, "0"), createdAtS });

test("every event of a relay is read, as long as no second has more of them than a page", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 40 }),
      async (seconds, pageMax) => {
        const events = seconds.map(eventAt);
        const { ids, gaps } = await readAll(events, { pageMax });
        const ofSecond = [...Map.groupBy(events, ({ createdAtS }) => createdAtS).values()];
        const reachable = ofSecond.filter((group) => group.length <= pageMax).flat();
        expect(reachable.filter(({ id }) => !ids.has(id))).toEqual([]);
        // A second with more than a page hides the rest of it: that is said rather than guessed.
        expect(gaps.length > 0 || reachable.length === events.length).toBe(true);
      },
    ),
    { seed: 20_261_126 },
  );
});

test("nothing before the instant is asked for", async () => {
  const events = Array.from({ length: 20 }, (_, index) => eventAt(100 + index, index));
  const { ids, requests } = await readAll(events, { pageMax: 3, sinceS: 110 });
  expect(ids.size).toBe(10);
  expect(requests.every(({ since, until = 200 }) => since === 110 && until >= 110)).toBe(true);
});

test("a relay that sends what it was not asked for is not followed", async () => {
  const lies = [eventAt(5, 1), eventAt(1_000_000, 2)];
  let calls = 0;
  const readPage = async (): Promise<readonly PageEvent[]> => (calls++ < 1 ? [eventAt(500, 0)] : lies);
  await catchUp({ kinds: [78] }, { sinceS: 100, limit: 10 }, readPage, () => undefined);
  expect(calls).toBe(2);
});

test("a page that fails ends it", async () => {
  const failing = (): Promise<never> => Promise.reject(new Error("closed"));
  await expect(catchUp({ kinds: [78] }, { sinceS: 0, limit: 10 }, failing, () => undefined)).rejects.toThrow(
    "closed",
  );
});

test("a relay that gives smaller pages than it was asked for hides no second silently", async () => {
  const events = [...Array.from({ length: 9 }, (_, index) => eventAt(100, index)), eventAt(90, 9)];
  const { readPage } = relayWith(events, 5);
  const gaps: number[] = [];
  await catchUp({ kinds: [78] }, { sinceS: 0, limit: 500 }, readPage, (createdAtS) => gaps.push(createdAtS));
  expect(gaps).toEqual([100]);
});
