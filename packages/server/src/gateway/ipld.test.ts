import * as dagJson from "@ipld/dag-json";
import fc from "fast-check";
import { expect, test } from "vitest";
import { blockOf, cidOf } from "../../test/support/blocks.ts";
import { fieldOf, linksOf } from "./ipld.ts";

const target = blockOf("x").cid;

test("fields of maps and lists are found by name and index, and nothing else is", () => {
  const value = { a: [{ b: 1 }], "0": "zero", "": "empty", link: target, bytes: new Uint8Array([1]) };
  expect(fieldOf(value, "0")).toBe("zero");
  expect(fieldOf(value, "")).toBe("empty");
  expect(fieldOf(fieldOf(value, "a"), "0")).toEqual({ b: 1 });
  for (const segment of ["1", "-1", "00", "1e0", "length", "push", "999999999999"])
    expect(fieldOf(value.a, segment)).toBeUndefined();
  for (const segment of ["constructor", "__proto__", "toString"])
    expect(fieldOf(value, segment)).toBeUndefined();
  expect(fieldOf(target, "code")).toBeUndefined();
  expect(fieldOf(value.bytes, "0")).toBeUndefined();
  expect(fieldOf("text", "length")).toBeUndefined();
  expect(fieldOf(null, "x")).toBeUndefined();
});

test("links of dag-json are those of its maps, not those that stand in a text", () => {
  const value = fc.dictionary(
    // A map with the key "/" alone is not data in dag-json.
    fc.string().filter((key) => key !== "/"),
    fc.oneof(
      fc.constant(target),
      fc.string(),
      fc.constant(`{"/":"${target.toString()}"}`),
      fc.uint8Array({ maxLength: 9 }),
    ),
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(value, (document) => {
      const bytes = dagJson.encode(document);
      const count = Object.values(document).filter((one) => one === target).length;
      expect(linksOf(cidOf(bytes, 0x0129), bytes)).toHaveLength(count);
    }),
    { numRuns: 500, seed: 4 },
  );
});

test("a block that is not what its codec says has no links but an error", () => {
  for (const codec of [0x70, 0x71, 0x0129, 0x78]) {
    const bytes = Buffer.from([0xff, 0x00]);
    expect(() => linksOf(cidOf(bytes, codec), bytes)).toThrow(
      expect.objectContaining({ code: "CONTENT_UNSUPPORTED" }),
    );
  }
});
