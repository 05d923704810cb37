import { expect, test } from "vitest";
import { parseGoDuration } from "./go-duration.ts";

test.for([
  ["300ms", 300],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  ["2h45m10.5s", 9_910_500],
  ["1000000ns", 1],
  ["1500µs", 1.5],
  ["1us", 0.001],
] as const)("%s is %d ms", ([text, ms]) => {
  expect(parseGoDuration(text, "timeout")).toBeCloseTo(ms, 6);
});

test.for(["", "5", "s", "1d", "-1s", "0s", "1s ", "1s2", "1e3s", "1 s", "٣s", "9".repeat(400)])(
  "%j is none",
  (text) => {
    expect(() => parseGoDuration(text, "timeout")).toThrow(/no duration.*timeout/);
  },
);
