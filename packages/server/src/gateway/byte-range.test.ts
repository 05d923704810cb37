import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRange } from "./byte-range.ts";

test.for([
  [undefined, 10, "everything"],
  ["items=0-1", 10, "everything"],
  ["bytes=0-0", 10, [{ first: 0, last: 0 }]],
  ["bytes=2-5", 10, [{ first: 2, last: 5 }]],
  ["bytes=2-", 10, [{ first: 2, last: 9 }]],
  ["bytes=-3", 10, [{ first: 7, last: 9 }]],
  ["bytes=-99", 10, [{ first: 0, last: 9 }]],
  ["bytes=2-99", 10, [{ first: 2, last: 9 }]],
  ["Bytes = 1 - 2 ", 10, [{ first: 1, last: 2 }]],
  ["bytes=9-9", 10, [{ first: 9, last: 9 }]],
  ["bytes=10-", 10, "unsatisfiable"],
  ["bytes=999999999-", 10, "unsatisfiable"],
  ["bytes=-0", 10, "unsatisfiable"],
  [
    "bytes=6-7,0-4",
    10,
    [
      { first: 6, last: 7 },
      { first: 0, last: 4 },
    ],
  ],
  [
    "bytes=6-7,,0-4,",
    10,
    [
      { first: 6, last: 7 },
      { first: 0, last: 4 },
    ],
  ],
  ["bytes=0-9,0-9", 10, "everything"],
  ["bytes=99-, 3-4", 10, [{ first: 3, last: 4 }]],
  ["bytes=0-", 0, "everything"],
  ["bytes=-1", 0, "everything"],
  ["bytes=", 10, "malformed"],
  ["bytes=-", 10, "malformed"],
  ["bytes=a-b", 10, "malformed"],
  ["bytes=5-2", 10, "malformed"],
  ["bytes=1-2,x", 10, "malformed"],
  ["bytes=0x1-2", 10, "malformed"],
  ["bytes=,", 10, "malformed"],
  [`bytes=${"0-0,".repeat(65)}0-0`, 1000, "everything"],
] as const)("Range %s of %i bytes", ([header, size, expected]) => {
  expect(parseRange(header, size)).toEqual(expected);
});

test("a range is always inside the representation, whatever the header", () => {
  const header = fc.oneof(
    fc.string(),
    fc.string().map((text) => `bytes=${text}`),
    fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()).map(([a, b]) => `bytes=${a}-${b}`),
    fc.maxSafeNat().map((n) => `bytes=-${n}`),
    fc
      .array(fc.constantFrom("-", ",", " ", "0", "9", "17", "99999999999999999999"))
      .map((p) => `bytes=${p.join("")}`),
  );
  fc.assert(
    fc.property(header, fc.nat(), (text, size) => {
      const ranges = parseRange(text, size);
      if (typeof ranges === "string") return;
      expect(ranges.length).toBeGreaterThan(0);
      for (const { first, last } of ranges) expect(0 <= first && first <= last && last < size).toBe(true);
      expect(
        ranges.length === 1 || ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0) <= size,
      ).toBe(true);
    }),
    { numRuns: 2000, seed: 7 },
  );
});

test("well-formed ranges come back as they were asked for, cut at the end", () => {
  const wanted = fc.array(fc.tuple(fc.nat(90), fc.nat(5)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(wanted, (pairs) => {
      const header = `bytes=${pairs.map(([first, more]) => `${first}-${first + more}`).join(", ")}`;
      const expected = pairs.map(([first, more]) => ({ first, last: Math.min(first + more, 92) }));
      expect(parseRange(header, 93)).toEqual(expected);
    }),
    { numRuns: 500, seed: 8 },
  );
});
