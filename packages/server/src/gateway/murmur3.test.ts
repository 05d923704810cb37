import { expect, test } from "vitest";
import { murmur3 } from "./murmur3.ts";

// From the reference implementation in C++ (first half of x64-128, seed 0).
test.for([
  ["", "0"],
  ["a", "85555565f6597889"],
  ["hello", "cbd8a7b341bd9b02"],
  ["hello, world", "342fac623a5ebc8e"],
  ["19 Jan 2038 at 3:14:07 AM", "b89e5988b737affc"],
  ["The quick brown fox jumps over the lazy dog.", "cd99481f9ee902c9"],
] as const)("of %j", ([text, expected]) => {
  expect(murmur3(Buffer.from(text)).toString(16)).toBe(expected);
});
