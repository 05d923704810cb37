import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { EventRate } from "./event-rate.ts";

async function passedIn(rate: EventRate, clock: ManualClock, durationMs: number): Promise<number> {
  let passed = 0;
  let isOver = false;
  const passing = (async () => {
    while (!isOver) {
      await rate.wait();
      passed++;
      rate.track(Promise.resolve());
      await Promise.resolve();
    }
  })();
  // Those that need not wait, first.
  await clock.advance(0);
  await clock.advance(durationMs);
  isOver = true;
  const seen = passed;
  await clock.advance(1_000);
  await passing;
  return seen;
}

test("events pass at the rate, and a tenth of a second's at once after a pause", async () => {
  const clock = new ManualClock(1_000_000);
  const rate = new EventRate(clock, { perSecond: 100, atOnce: 64 });
  const passed = await passedIn(rate, clock, 2_000);
  expect(passed).toBeGreaterThanOrEqual(200);
  expect(passed).toBeLessThanOrEqual(215);
});

test("no more are under way than allowed", async () => {
  const clock = new ManualClock(1_000_000);
  const rate = new EventRate(clock, { perSecond: 1_000, atOnce: 2 });
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  rate.track(first.promise);
  rate.track(second.promise);
  let hasPassed = false;
  const waiting = rate.wait()?.then(() => (hasPassed = true));
  await clock.advance(10_000);
  expect(hasPassed).toBe(false);
  first.resolve();
  await waiting;
  expect(hasPassed).toBe(true);
});

test("a clock that is set back stops nothing", async () => {
  const clock = new ManualClock(1_000_000);
  const rate = new EventRate(
    {
      nowMs: () => clock.nowMs() - (clock.nowMs() > 1_000_500 ? 900_000 : 0),
      after: (ms, call) => clock.after(ms, call),
    },
    { perSecond: 100, atOnce: 64 },
  );
  expect(rate.wait()).toBeUndefined();
  await clock.advance(1_000);
  expect(rate.wait()).toBeUndefined();
});
