import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { createTestName } from "../../../test/support/records.ts";
import { Popularity, type PopularityOptions } from "./popularity.ts";

function setUp(options: Partial<PopularityOptions> = {}, random = 0.3) {
  const clock = new ManualClock(0);
  const all = { sampleOneIn: 1, halfLifeMs: 30_000, samplesMin: 4, namesMax: 100, ...options };
  return { clock, popularity: new Popularity({ clock, random: () => random }, all) };
}

test("a name is popular after some reads, and no longer when nobody reads it", async () => {
  const { clock, popularity } = setUp();
  const [read, rare] = [createTestName().name, createTestName().name];
  for (let i = 0; i < 8; i++) popularity.note(read);
  popularity.note(rare);
  expect(popularity.names()).toEqual([read]);
  await clock.advance(30_000);
  expect(popularity.names()).toEqual([read]);
  await clock.advance(30_000);
  expect(popularity.names()).toEqual([]);
});

test("counts halve once per half-life, however seldom anybody looks", async () => {
  const { clock, popularity } = setUp();
  const { name } = createTestName();
  for (let i = 0; i < 16; i++) popularity.note(name);
  await clock.advance(60_000);
  for (let i = 0; i < 10; i++) expect(popularity.names()).toEqual([name]);
  await clock.advance(30_000);
  expect(popularity.names()).toEqual([]);
  await clock.advance(30_000 * 1_000);
  expect(popularity.names()).toEqual([]);
});

test("a flood of names that are read once stays within the bound, and is gone after one half-life", async () => {
  const { clock, popularity } = setUp({ namesMax: 50 });
  const hot = createTestName().name;
  for (let i = 0; i < 10; i++) popularity.note(hot);
  const flood = Array.from({ length: 60 }, () => createTestName().name);
  for (const name of flood) popularity.note(name);
  const late = flood[59];
  if (late === undefined) throw new Error("no flood");
  for (let i = 0; i < 10; i++) popularity.note(late);
  expect(popularity.names()).toEqual([hot]);
  await clock.advance(30_000);
  popularity.names();
  for (let i = 0; i < 10; i++) popularity.note(late);
  expect(popularity.names()).toContain(late);
});

test("one read in so many is counted, also when names are read in turns", () => {
  const names = Array.from({ length: 16 }, () => createTestName().name);
  const { popularity } = setUp({ sampleOneIn: 16, samplesMin: 40 });
  for (let i = 0; i < 16 * 1_000; i++) popularity.note(names[i % 16] ?? createTestName().name);
  // 1,000 reads each: 62 samples on average, none far from it.
  expect(popularity.names()).toHaveLength(16);
  const strict = setUp({ sampleOneIn: 16, samplesMin: 100 }).popularity;
  for (let i = 0; i < 16 * 1_000; i++) strict.note(names[i % 16] ?? createTestName().name);
  expect(strict.names()).toHaveLength(0);
});
