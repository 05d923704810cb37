import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ByteRate } from "./byte-rate.ts";

test("bytes over the rate stop the reading until they are paid for, and a second's at once do not", async () => {
  const clock = new ManualClock(1_000_000);
  const changes: [boolean, number][] = [];
  using rate = new ByteRate(clock, { perSecond: 1_000 }, (isExceeded) =>
    changes.push([isExceeded, clock.nowMs()]),
  );
  rate.note(900);
  expect(changes).toEqual([]);
  rate.note(1_100);
  rate.note(500);
  await clock.advance(10_000);
  expect(changes).toEqual([
    [true, 1_000_000],
    [false, 1_002_000],
  ]);
  rate.note(900);
  expect(changes).toHaveLength(2);
});
