import fc from "fast-check";
import { expect, test } from "vitest";
import { isSameRange, matchesEtag } from "./etags.ts";

test.for([
  [undefined, false],
  ['"cid"', true],
  ['W/"cid"', true],
  ["*", true],
  ['"other"', false],
  ['"other", W/"cid"', true],
  ['"other","cid"', true],
  ["cid", false],
  ['"cid', false],
  ['"a,b", "cid"', true],
  ["", false],
] as const)("If-None-Match %s", ([header, expected]) => {
  expect(matchesEtag(header, ['"cid"'])).toBe(expected);
});

test("a weak tag of ours matches weakly, and never for If-Range", () => {
  expect(matchesEtag('"x"', ['W/"x"'])).toBe(true);
  expect(isSameRange('W/"x"', 'W/"x"')).toBe(false);
});

test("If-Range needs the very tag", () => {
  expect(isSameRange(undefined, '"x"')).toBe(true);
  expect(isSameRange('"x"', '"x"')).toBe(true);
  expect(isSameRange('"y"', '"x"')).toBe(false);
  expect(isSameRange("Wed, 21 Oct 2015 07:28:00 GMT", '"x"')).toBe(false);
});

test("no header makes it throw or match by accident", () => {
  fc.assert(
    fc.property(
      fc.string().filter((header) => !header.includes("bafy") && header.trim() !== "*"),
      (header) => {
        expect(matchesEtag(header, ['"bafy"'])).toBe(false);
      },
    ),
    { numRuns: 2000 },
  );
  expect.hasAssertions();
});
