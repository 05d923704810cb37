import fc from "fast-check";
import { expect, test } from "vitest";
import { freshForMs, freshnessOf } from "./freshness.ts";

const SECOND_NS = 1_000_000_000n;

test.each([
  ["no TTL", undefined, 60_000],
  ["a TTL of 0", 0n, 60_000],
  ["1 ns", 1n, 1],
  ["1 ms", 1_000_000n, 1],
  ["10 s", 10n * SECOND_NS, 10_000],
  ["60 s less a nanosecond", 60n * SECOND_NS - 1n, 60_000],
  ["60 s", 60n * SECOND_NS, 60_000],
  ["5 minutes", 300n * SECOND_NS, 60_000],
  ["a hundred years", 3_155_760_000_000_000_000n, 60_000],
  ["2^63-1 ns", 2n ** 63n - 1n, 60_000],
])("gotcha 10, gotcha 11: with %s a record is fresh for a sane time", (_, ttlNs, ms) => {
  expect(freshForMs(ttlNs)).toBe(ms);
});

test("a record is fresh for its time, then stale, and expired only after its EOL (R13)", () => {
  const record = { checkedAtMs: 1_000, freshForMs: 60_000, eolMs: 100_000 };
  const times = [1_000, 60_999, 61_000, 100_000, 100_001, 10_000_000];
  expect(times.map((nowMs) => freshnessOf(record, nowMs))).toEqual([
    "fresh",
    "fresh",
    "stale",
    "stale",
    "expired",
    "expired",
  ]);
});

test("R13: an EOL within the fresh time ends it", () => {
  const record = { checkedAtMs: 1_000, freshForMs: 60_000, eolMs: 11_000 };
  expect(freshnessOf(record, 11_000)).toBe("fresh");
  expect(freshnessOf(record, 11_001)).toBe("expired");
});

test("freshness only gets worse as time passes", () => {
  const order = ["fresh", "stale", "expired"];
  const time = fc.integer({ min: -1_000_000, max: 1_000_000 });
  fc.assert(
    fc.property(
      time,
      fc.integer({ min: 0, max: 100_000 }),
      time,
      time,
      time,
      (checkedAtMs, freshMs, eolMs, a, b) => {
        const at = (nowMs: number) =>
          order.indexOf(freshnessOf({ checkedAtMs, freshForMs: freshMs, eolMs }, nowMs));
        expect(at(Math.min(a, b))).toBeLessThanOrEqual(at(Math.max(a, b)));
      },
    ),
    { seed: 20_261_126 },
  );
});
