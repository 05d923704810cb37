import { encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { blockOf } from "../../test/support/blocks.ts";
import { cborLinks } from "./cbor-links.ts";

const link = fc.nat(1000).map((n) => blockOf(`${n}`).cid);

test("every link is found, once for each time it stands there, whatever is around it", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      link,
      fc.string(),
      fc.uint8Array({ maxLength: 300 }),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(null, true, false),
      fc.array(tie("any"), { maxLength: 30 }),
      fc.dictionary(fc.string(), tie("any"), { maxKeys: 5, noNullPrototype: true }),
    ),
  })).any;
  fc.assert(
    fc.property(value, (document) => {
      const found = cborLinks(encode(document)).map(String);
      expect(found.toSorted()).toEqual(linksIn(document).toSorted());
    }),
    { numRuns: 500, seed: 21 },
  );
});

test("they come in the order of the bytes, not in that of a decoded object", () => {
  const [short, long] = [blockOf("short").cid, blockOf("long").cid];
  // dag-cbor puts shorter keys first; JavaScript puts numbers first.
  expect(cborLinks(encode({ "10": long, a: short })).map(String)).toEqual([short, long].map(String));
});

function linksIn(value: unknown): string[] {
  const cid = CID.asCID(value);
  if (cid !== null) return [cid.toString()];
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  return Object.values(value).flatMap(linksIn);
}
