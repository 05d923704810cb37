import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";

const OPTIONS = { failuresMax: 3, firstPauseMs: 1_000, pauseMsMax: 60_000 };

function setUp(random = 0.5) {
  const clock = new ManualClock(0);
  return { clock, breaker: new CircuitBreaker({ clock, random: () => random }, OPTIONS) };
}

test("one failure, or two, open nothing, and a success forgets them", () => {
  const { breaker } = setUp();
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 2; i++) breaker.failed("ask");
    expect(breaker.enter()).toBe("ask");
    breaker.succeeded();
  }
  expect(breaker.state).toBe("closed");
});

test("after three it is open for ever longer pauses, each ended by one probe", async () => {
  const { clock, breaker } = setUp();
  for (let i = 0; i < 3; i++) breaker.failed("ask");
  for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    expect(breaker.state).toBe("open");
    expect(breaker.pauseLeftMs).toBe(pauseMs);
    await clock.advance(pauseMs - 1);
    expect(breaker.enter()).toBeUndefined();
    await clock.advance(1);
    expect(breaker.state).toBe("half-open");
    expect(breaker.enter()).toBe("probe");
    expect(breaker.enter()).toBeUndefined();
    breaker.failed("probe");
  }
});

test("a probe that succeeds lets everybody in, one that says nothing lets another one try", async () => {
  const { clock, breaker } = setUp();
  for (let i = 0; i < 3; i++) breaker.failed("ask");
  await clock.advance(1_000);
  expect(breaker.enter()).toBe("probe");
  breaker.undecided("probe");
  expect(breaker.enter()).toBe("probe");
  breaker.succeeded();
  for (let i = 0; i < 10; i++) expect(breaker.enter()).toBe("ask");
});

test("a hundred requests that fail together make one pause, not a hundred", async () => {
  const { clock, breaker } = setUp();
  for (let i = 0; i < 100; i++) breaker.failed("ask");
  await clock.advance(1_000);
  expect(breaker.enter()).toBe("probe");
});

test("whoever says how long is left alone for so long, up to the longest pause", () => {
  const { breaker } = setUp();
  breaker.failed("ask", 20_000);
  expect(breaker.pauseLeftMs).toBe(20_000);
  const greedy = setUp().breaker;
  greedy.failed("ask", 86_400_000);
  expect(greedy.pauseLeftMs).toBe(60_000);
});

test("pauses are spread over half their length", () => {
  for (const [random, pauseMs] of [
    [0, 750],
    [0.999_999, 1_250],
  ] as const) {
    const { breaker } = setUp(random);
    for (let i = 0; i < 3; i++) breaker.failed("ask");
    expect(breaker.pauseLeftMs).toBeCloseTo(pauseMs, 0);
  }
});

test("whatever happens, it lets somebody find out after its longest pause", async () => {
  const step = fc.oneof(
    fc.constantFrom("failed", "succeeded", "undecided"),
    fc.integer({ min: 0, max: 100_000 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, breaker } = setUp();
      for (const what of steps) {
        if (typeof what === "number") {
          await clock.advance(what);
          continue;
        }
        const entered = breaker.enter();
        if (entered === undefined) continue;
        if (what === "succeeded") breaker.succeeded();
        else breaker[what](entered);
      }
      expect(breaker.pauseLeftMs).toBeLessThanOrEqual(60_000 * 1.25);
      await clock.advance(75_001);
      expect(breaker.enter()).toBeDefined();
    }),
    { seed: 6, numRuns: 40 },
  );
});
