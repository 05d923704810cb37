import fc from "fast-check";
import { isHoldfastError } from "@holdfast/core";
import { expect, test } from "vitest";
import { anyCharacter } from "../../../core/test/support/any-character.ts";
import { MEDIA_TYPE_BY_FORMAT, selectFormat } from "./select-format.ts";

const select = (query: string, accept?: string) => selectFormat(new URLSearchParams(query), accept);

test.for([
  ["", undefined, "default"],
  ["", "text/html,application/xhtml+xml,*/*;q=0.8", "default"],
  ["", "application/json", "json"],
  ["", "application/json-patch+json", "default"],
  ["format=raw", undefined, "raw"],
  ["format=raw", "application/vnd.ipld.car", "raw"],
  ["format=raw", "application/vnd.ipfs.nonsense", "raw"],
  ["format=unheardof", undefined, "default"],
  ["format=unheardof", "application/x-tar", "tar"],
  ["format=constructor", undefined, "default"],
  ["", "application/vnd.ipld.raw", "raw"],
  ["", "text/html, application/vnd.ipld.raw;q=0.1", "raw"],
  ["", "application/vnd.ipld.car, application/vnd.ipld.raw", "car"],
  ["", "APPLICATION/VND.IPLD.RAW", "raw"],
] as const)("?%s with Accept %s is %s", ([query, accept, format]) => {
  expect(select(query, accept).format).toBe(format);
});

test("every format can be asked for in both ways", () => {
  for (const [format, mediaType] of Object.entries(MEDIA_TYPE_BY_FORMAT)) {
    expect(select(`format=${format}`)).toMatchObject({ format, isInUrl: true });
    expect(select("", mediaType)).toMatchObject({ format, isInUrl: false });
  }
});

test("parameters of Accept count for the format they stand with, and only for it", () => {
  const accept = 'text/html;a=b, application/vnd.ipld.car; version=1; Order="unk";dups=y;q=0.5';
  const expected = new Map([
    ["version", "1"],
    ["order", "unk"],
    ["dups", "y"],
  ]);
  expect(select("", accept).parameters).toEqual(expected);
  expect(select("format=car", accept).parameters).toEqual(expected);
  expect(select("format=raw", accept).parameters.size).toBe(0);
});

test("an unknown type of our vendor trees is the client's mistake", () => {
  for (const type of ["application/vnd.ipfs.nonsense", "application/vnd.ipld.x; a=b"]) {
    expect(() => select("", type)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});

test("whatever the Accept header, there is a format or INVALID_ARGUMENT", () => {
  const parts = fc.constantFrom(
    "application/vnd.ipld.",
    "car",
    "raw",
    ",",
    ";",
    "=",
    '"',
    " ",
    "q",
    "text/html",
    "\\",
    "ü",
  );
  const header = fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.array(parts).map((all) => all.join("")),
  );
  fc.assert(
    fc.property(header, (accept) => {
      expect(outcome(accept)).toMatch(/^(?:default|[a-z-]+|INVALID_ARGUMENT)$/);
    }),
    { numRuns: 2000, seed: 11 },
  );
});

function outcome(accept: string): string {
  try {
    return select("", accept).format;
  } catch (err) {
    return isHoldfastError(err) ? err.code : String(err);
  }
}
