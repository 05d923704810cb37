import fc from "fast-check";
import { isHoldfastError } from "@holdfast/core";
import { expect, test } from "vitest";
import { selectFormat } from "../select-format.ts";
import { parseCarParameters, parseEntityBytes, rangeWithin } from "./car-parameters.ts";

function parse(queryText: string, accept?: string) {
  const query = new URLSearchParams(queryText);
  return parseCarParameters(query, selectFormat(query, accept));
}

test("the defaults", () => {
  expect(parse("format=car")).toEqual({ scope: "all", entityBytes: undefined, order: "dfs", dups: "n" });
});

test("the URL counts more than Accept, and entity-bytes alone means the entity", () => {
  const accept = "application/vnd.ipld.car; version=1; order=unk; dups=y";
  expect(parse("", accept)).toMatchObject({ order: "unk", dups: "y" });
  expect(parse("format=car&car-order=dfs&car-dups=n", accept)).toMatchObject({ order: "dfs", dups: "n" });
  expect(parse("format=car&car-dups=y", "application/vnd.ipld.car;dups=n")).toMatchObject({ dups: "y" });
  expect(parse("format=car&entity-bytes=0:*")).toMatchObject({ scope: "entity" });
  expect(parse("format=car&entity-bytes=0:*&dag-scope=all")).toMatchObject({ scope: "all" });
});

test.for([
  "dag-scope=nope",
  "dag-scope=",
  "car-version=2",
  "car-order=bfs",
  "car-dups=maybe",
  "entity-bytes=",
  "entity-bytes=:2000",
  "entity-bytes=10000:500",
  "entity-bytes=-1000:-2000",
  "entity-bytes=a:1",
  "entity-bytes=1:b",
  "entity-bytes=1:2:3",
  "entity-bytes=*:5",
  "entity-bytes=1.5:2",
])("%s is refused", (query) => {
  expect(() => parse(`format=car&${query}`)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("a version in Accept is checked, too", () => {
  expect(() => parse("", "application/vnd.ipld.car;version=2")).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT" }),
  );
});

test.for([
  ["0:1000", { first: 0, last: 99 }],
  ["0:*", { first: 0, last: 99 }],
  ["0:0", { first: 0, last: 0 }],
  ["20:-10", { first: 20, last: 90 }],
  ["-5:*", { first: 95, last: 99 }],
  ["-9999:-3", { first: 0, last: 97 }],
  ["-5:2", undefined],
  ["100:*", undefined],
  ["50:-60", undefined],
  ["0:-9999", undefined],
] as const)("entity-bytes=%s of 100 bytes", ([text, expected]) => {
  expect(rangeWithin(parseEntityBytes(text), 100)).toEqual(expected);
});

test("gives the bytes that slicing gives, for all numbers and sizes", () => {
  const number = fc.integer({ min: -30, max: 30 });
  fc.assert(
    fc.property(number, fc.option(number, { nil: undefined }), fc.nat(20), (from, to, size) => {
      const range = rangeWithin({ from, to }, size);
      const all = Array.from({ length: size }, (_, i) => i);
      // An end that counts from the end of the file is included, as every end here is.
      const end = to === undefined ? size : (to < 0 ? size + to : to) + 1;
      const expected = all.slice(from < 0 ? Math.max(0, size + from) : from, Math.max(0, end));
      expect(range === undefined ? [] : all.slice(range.first, range.last + 1)).toEqual(expected);
    }),
    { numRuns: 3000, seed: 6 },
  );
});

test("whatever the text, it is a range of whole numbers or INVALID_ARGUMENT", () => {
  const text = fc.array(
    fc.constantFrom("-", ":", "*", "0", "1", "9", "99999999999999999", " ", "+", "e", "."),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(text, (parts) => {
      expect(outcome(parts.join(""))).toBe(true);
    }),
    { numRuns: 3000, seed: 12 },
  );
});

function outcome(text: string): boolean {
  try {
    const { from, to = 0 } = parseEntityBytes(text);
    return Number.isSafeInteger(from) && Number.isSafeInteger(to);
  } catch (err) {
    return isHoldfastError(err) && err.code === "INVALID_ARGUMENT";
  }
}
