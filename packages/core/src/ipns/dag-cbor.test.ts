import { decode, encode } from "cborg";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyCharacter } from "../../test/support/any-character.ts";
import { SeededRandom, mutate } from "../../test/support/random.ts";
import { hex } from "../../test/support/raw-record.ts";
import { DagCborError, DagCborReader } from "./dag-cbor.ts";

/** The keys of a map, if the bytes are one canonical map. */
function keysOf(bytes: Uint8Array): string[] {
  const keys: string[] = [];
  const reader = new DagCborReader(bytes, 0, bytes.length);
  reader.readMap((start, end) => {
    keys.push(Buffer.from(bytes.subarray(start, end)).toString());
    reader.skipValue();
  });
  reader.assertEnd();
  return keys;
}

function isCanonicalMap(bytes: Uint8Array): boolean {
  try {
    keysOf(bytes);
    return true;
  } catch (err) {
    if (!(err instanceof DagCborError)) throw err;
    return false;
  }
}

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: anyCharacter, maxLength: 40 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: anyCharacter, maxLength: 10 }), tie("value"), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).value;
const map = fc.dictionary(fc.string({ unit: anyCharacter, maxLength: 10 }), value, {
  maxKeys: 6,
  noNullPrototype: true,
});

describe("DagCborReader", () => {
  test("walks over every map that cborg encodes, in its order of keys", () => {
    fc.assert(
      fc.property(map, (entries) => {
        const bytes = encode(entries);
        expect(keysOf(bytes)).toEqual([...(decode(bytes, { useMaps: true }) as Map<string, unknown>).keys()]);
      }),
      { seed: 20_261_126 },
    );
  });

  test("what it accepts of mutated maps, cborg decodes and encodes to the same bytes", () => {
    const random = new SeededRandom(3);
    const originals = fc
      .sample(map, { numRuns: 100, seed: 3 })
      .map((entries) => Uint8Array.from(encode(entries)));
    const accepted = Array.from({ length: 20_000 }, () =>
      mutate(random, random.pick(originals), random.pick(originals)),
    ).filter(isCanonicalMap);
    expect(accepted.length).toBeGreaterThan(500);
    for (const bytes of accepted) {
      // cborg has no tag 42 unless it is taught one, and then does not write it back.
      const tags = { 42: (content: () => unknown) => content() };
      const decoded: unknown = decode(bytes, { strict: true, useMaps: true, tags });
      expect(bytes.includes(0xd8) || Buffer.compare(encode(decoded), bytes) === 0).toBe(true);
    }
  });

  test.each([
    ["nothing", ""],
    ["a list", "80"],
    ["a number", "05"],
    ["a map that is cut off", "a16161"],
    ["something after the map", "a000"],
    ["a key that is bytes", "a1416100"],
    ["a key that is a number", "a10100"],
    ["a repeated key", "a2616100616101"],
    ["a shorter key after a longer one", "a262616100616200"],
    ["keys of one length out of order", "a2616200616100"],
    ["nested keys out of order", "a16161a2616200616100"],
    ["a number in two bytes that fits into one", "a161611805"],
    ["a number in three bytes that fits into two", "a16161190005"],
    ["a number in five bytes that fits into three", "a161611a00000005"],
    ["a number in nine bytes that fits into five", "a161611b0000000000000005"],
    ["a length in two bytes that fits into one", "a1616158016b"],
    ["a map of indefinite length", "bf616100ff"],
    ["bytes of indefinite length", "a161615f4161ff"],
    ["text of indefinite length", "a161617f6161ff"],
    ["a list of indefinite length", "a161619f00ff"],
    ["a 16-bit float", "a16161f93c00"],
    ["a 32-bit float", "a16161fa3f800000"],
    ["a 64-bit float", "a16161fb3ff0000000000000"],
    ["undefined", "a16161f7"],
    ["a simple value", "a16161e0"],
    ["a break", "a16161ff"],
    ["text that is not UTF-8", "a1616161ff"],
    ["a key that is not UTF-8", "a161ff00"],
    ["a tag that is not a CID", "a16161c074323032352d30312d30315430303a30303a30305a"],
    ["a tag 42 without the zero byte", "a16161d82a4401551200"],
    ["a list of 2^62 items", "a161619b4000000000000000"],
    ["a map of 2^62 entries", "bb4000000000000000"],
    ["bytes of 2^62", "a161615b4000000000000000"],
  ])("refuses %s", (_, bytes) => {
    expect(() => keysOf(hex(bytes))).toThrow(DagCborError);
  });

  test("accepts a CID", () => {
    expect(keysOf(hex("a16161d82a450001550000"))).toEqual(["a"]);
  });

  test("refuses deep nesting instead of running out of stack", () => {
    const deep = (depth: number) => Uint8Array.from([0xa1, 0x61, 0x61, ...Array(depth).fill(0x81), 0]);
    expect(keysOf(deep(15))).toEqual(["a"]);
    expect(() => keysOf(deep(5_000))).toThrow(DagCborError);
  });
});
