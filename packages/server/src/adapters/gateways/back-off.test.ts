import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { BackOff } from "./back-off.ts";

function setUp() {
  const clock = new ManualClock(0);
  return { clock, backOff: new BackOff(clock) };
}

test("one failure, or two, pause nothing", () => {
  const { backOff } = setUp();
  for (let i = 0; i < 2; i++) {
    expect(backOff.enter()).toBe(true);
    backOff.failed();
  }
  expect(backOff.enter()).toBe(true);
});

test("after three failures it is left alone, ever longer, up to a minute", async () => {
  const { clock, backOff } = setUp();
  for (let i = 0; i < 2; i++) backOff.failed();
  for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    backOff.failed();
    await clock.advance(pauseMs - 1);
    expect(backOff.enter()).toBe(false);
    await clock.advance(1);
    expect(backOff.enter()).toBe(true);
  }
});

test("after a pause one request finds out, and success lets everybody in again", async () => {
  const { clock, backOff } = setUp();
  for (let i = 0; i < 3; i++) backOff.failed();
  await clock.advance(1_000);
  expect(backOff.enter()).toBe(true);
  expect(backOff.enter()).toBe(false);
  backOff.undecided();
  expect(backOff.enter()).toBe(true);
  backOff.succeeded();
  for (let i = 0; i < 10; i++) expect(backOff.enter()).toBe(true);
});

test("a source that says how long is believed up to a minute", async () => {
  const { clock, backOff } = setUp();
  backOff.failed(10_000);
  await clock.advance(9_999);
  expect(backOff.enter()).toBe(false);
  await clock.advance(1);
  expect(backOff.enter()).toBe(true);
  backOff.failed(86_400_000);
  await clock.advance(60_000);
  expect(backOff.enter()).toBe(true);
});
