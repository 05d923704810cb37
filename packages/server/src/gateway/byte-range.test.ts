import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRange } from "./byte-range.ts";

test.for([
  [undefined, 10, "everything"],
  ["items=0-1", 10, "everything"],
  ["bytes=0-0", 10, { first: 0, last: 0 }],
  ["bytes=2-5", 10, { first: 2, last: 5 }],
  ["bytes=2-", 10, { first: 2, last: 9 }],
  ["bytes=-3", 10, { first: 7, last: 9 }],
  ["bytes=-99", 10, { first: 0, last: 9 }],
  ["bytes=2-99", 10, { first: 2, last: 9 }],
  ["Bytes = 1 - 2 ", 10, { first: 1, last: 2 }],
  ["bytes=9-9", 10, { first: 9, last: 9 }],
  ["bytes=10-", 10, "unsatisfiable"],
  ["bytes=999999999-", 10, "unsatisfiable"],
  ["bytes=-0", 10, "unsatisfiable"],
  ["bytes=6-7,0-4", 10, { first: 6, last: 7 }],
  ["bytes=99-, 3-4", 10, { first: 3, last: 4 }],
  ["bytes=0-", 0, "everything"],
  ["bytes=-1", 0, "everything"],
  ["bytes=", 10, "malformed"],
  ["bytes=-", 10, "malformed"],
  ["bytes=a-b", 10, "malformed"],
  ["bytes=5-2", 10, "malformed"],
  ["bytes=1-2,x", 10, "malformed"],
  ["bytes=0x1-2", 10, "malformed"],
  [`bytes=${"0-1,".repeat(65)}0-1`, 10, "malformed"],
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
      const range = parseRange(text, size);
      if (typeof range === "string") return;
      expect(range.first).toBeGreaterThanOrEqual(0);
      expect(range.last).toBeGreaterThanOrEqual(range.first);
      expect(range.last).toBeLessThan(size);
    }),
    { numRuns: 2000 },
  );
});
