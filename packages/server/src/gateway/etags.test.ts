import fc from "fast-check";
import { expect, test } from "vitest";
import { isSameRange, isUnmodifiedSince, matchesEtag } from "./etags.ts";

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
  [', ,"cid"', true],
  ["", false],
] as const)("If-None-Match %s", ([header, expected]) => {
  expect(matchesEtag(header, ['"cid"'])).toBe(expected);
});

const DATE = "Wed, 21 Oct 2015 07:28:00 GMT";
const current = (etag: string, lastModified?: string) => ({ etag, lastModified });

test("a weak tag of ours matches weakly, and never for If-Range", () => {
  expect(matchesEtag('"x"', ['W/"x"'])).toBe(true);
  expect(isSameRange('W/"x"', current('W/"x"'))).toBe(false);
});

test("If-Range needs the very tag, or the very date", () => {
  expect(isSameRange(undefined, current('"x"'))).toBe(true);
  expect(isSameRange('"x"', current('"x"'))).toBe(true);
  expect(isSameRange('"y"', current('"x"'))).toBe(false);
  expect(isSameRange(DATE, current('"x"'))).toBe(false);
  expect(isSameRange(DATE, current('"x"', DATE))).toBe(true);
});

test("If-Modified-Since compares whole seconds, and needs a date on both sides", () => {
  const mtimeMs = Date.parse(DATE) + 999;
  expect(isUnmodifiedSince(DATE, mtimeMs)).toBe(true);
  expect(isUnmodifiedSince("Wed, 21 Oct 2015 07:27:59 GMT", mtimeMs)).toBe(false);
  expect(isUnmodifiedSince("soon", mtimeMs)).toBe(false);
  expect(isUnmodifiedSince(undefined, mtimeMs)).toBe(false);
  expect(isUnmodifiedSince(DATE, undefined)).toBe(false);
});

test("no header makes it throw or match by accident", () => {
  fc.assert(
    fc.property(
      fc.string().filter((header) => !header.includes("bafy") && header.trim() !== "*"),
      (header) => {
        expect(matchesEtag(header, ['"bafy"'])).toBe(false);
      },
    ),
    { numRuns: 2000, seed: 1 },
  );
  expect.hasAssertions();
});
