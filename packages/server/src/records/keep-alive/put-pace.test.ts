import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PutPace, type PutPaceOptions } from "./put-pace.ts";

const OPTIONS: PutPaceOptions = {
  limitMin: 1,
  limitMax: 64,
  limitAtStart: 8,
  pauseMs: 1_000,
  pauseMsMax: 15_000,
};

function createPace(): PutPace {
  return new PutPace(OPTIONS, () => 0.5);
}

function succeed(pace: PutPace, count: number, tookMs = 1_000): void {
  for (let i = 0; i < count; i++) pace.succeeded(tookMs);
}

/** A target that every `nth` put fails at. */
function failEvery(pace: PutPace, nth: number, count: number): void {
  for (let i = 1; i <= count; i++) {
    if (i % nth === 0) pace.failed(0);
    else pace.succeeded(1_000);
  }
}

describe("the pace of a target", () => {
  test("doubles while all goes well, up to its limit", () => {
    const pace = createPace();
    const limits = [pace.limit];
    for (const round of [16, 16, 32, 64, 64]) {
      succeed(pace, round);
      limits.push(pace.limit);
    }
    expect(limits).toEqual([8, 16, 32, 64, 64, 64]);
  });

  test("R14: stays at its limit although every third put fails: records that cannot be put do not slow down the others", () => {
    const pace = createPace();
    failEvery(pace, 3, 2_000);
    expect(pace.limit).toBe(64);
  });

  test("is halved when most puts fail, and then raised by one for each good round", () => {
    const pace = createPace();
    succeed(pace, 128);
    expect(pace.limit).toBe(64);
    for (let i = 0; i < 64; i++) {
      if (i % 4 === 0) pace.succeeded(1_000);
      else pace.failed(0);
    }
    expect(pace.limit).toBe(32);
    succeed(pace, 32);
    expect(pace.limit).toBe(33);
  });

  test("is lowered when puts take much longer than usual, and not for a few slow ones", () => {
    const pace = createPace();
    succeed(pace, 400, 1_000);
    pace.succeeded(20_000);
    succeed(pace, 200, 1_000);
    expect(pace.limit).toBe(64);
    succeed(pace, 64, 5_000);
    expect(pace.limit).toBeLessThan(64);
  });

  test("a target that fails altogether is paused, for longer each time, and tried with a few puts", () => {
    const pace = createPace();
    let nowMs = 0;
    const pausesMs: number[] = [];
    for (let i = 0; i < 6; i++) {
      pace.unavailable(nowMs);
      // Those that were under way fail as well.
      pace.unavailable(nowMs);
      pausesMs.push(pace.pausedUntilMs - nowMs);
      nowMs = pace.pausedUntilMs;
      expect(pace.limit).toBe(4);
    }
    expect(pausesMs).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    pace.succeeded(1_000);
    expect(pace.limit).toBe(8);
    pace.unavailable(nowMs + 1);
    expect(pace.pausedUntilMs).toBe(nowMs + 1 + 1_000);
  });

  test("so is one that never confirms anything", () => {
    const pace = createPace();
    for (let i = 0; i < 15; i++) pace.failed(0);
    expect(pace.pausedUntilMs).toBe(0);
    pace.failed(0);
    expect(pace.pausedUntilMs).toBe(1_000);
  });

  test("whatever happens, the limit stays within its bounds and pauses end", () => {
    const event = fc.oneof(
      fc.record({ kind: fc.constant("ok" as const), ms: fc.integer({ min: 0, max: 120_000 }) }),
      fc.record({ kind: fc.constantFrom("failed" as const, "unavailable" as const), ms: fc.nat(60_000) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 400 }), (events) => {
        const pace = createPace();
        let nowMs = 0;
        for (const { kind, ms } of events) {
          nowMs += ms;
          if (kind === "ok") pace.succeeded(ms);
          else pace[kind](nowMs);
          expect(pace.limit).toBeGreaterThanOrEqual(1);
          expect(pace.limit).toBeLessThanOrEqual(64);
          expect(pace.pausedUntilMs).toBeLessThanOrEqual(nowMs + 1.25 * 15_000);
        }
      }),
      { seed: 1 },
    );
  });
});
