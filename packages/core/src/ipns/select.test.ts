import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateKey, seedOf } from "../../test/support/keys.ts";
import { dataOf, encodeRaw, signRaw, signedRecord, utf8 } from "../../test/support/raw-record.ts";
import { vector } from "../../test/support/vectors.ts";
import { decodeRecord } from "./record.ts";
import type { IpnsRecord } from "./record.ts";
import { compareRecords, selectRecord } from "./select.ts";

const KEY = generateKey("Ed25519", seedOf(4));

function record(sequence: bigint, eol: string, value = "/ipfs/bafkqaaa"): IpnsRecord {
  return decodeRecord(
    signedRecord(KEY, dataOf({ Sequence: sequence, Validity: utf8(eol), Value: utf8(value) })),
  );
}

const EOL = "2125-01-01T00:00:00.000000000Z";
const winner = (a: IpnsRecord, b: IpnsRecord) => {
  expect(selectRecord([a, b])).toBe(selectRecord([b, a]));
  return selectRecord([a, b]);
};

describe("which record wins", () => {
  const vectorRecord = (letter: string) => decodeRecord(vector(letter));

  test("gotcha 4: the vectors are in the order C, D, E, B, A", () => {
    const records = "ABCDE".split("").map(vectorRecord);
    const order = records.toSorted((a, b) => compareRecords(b, a)).map(({ bytes }) => bytes);
    expect(order).toEqual("CDEBA".split("").map(vector));
  });

  test("R2: a first record with sequence 0 is chosen over none", () => {
    const first = record(0n, EOL);
    expect(selectRecord([first])).toBe(first);
    expect(selectRecord([])).toBeUndefined();
  });

  test("R3: with the same sequence the later EOL wins, to the nanosecond", () => {
    const later = record(5n, "2125-01-01T00:00:00.000000001Z", "/ipfs/bafkqaaa/a");
    expect(winner(later, record(5n, EOL, "/ipfs/bafkqaaa/b"))).toBe(later);
    const inAnotherZone = record(5n, "2125-01-01T02:00:00.000000002+02:00");
    expect(winner(later, inAnotherZone)).toBe(inAnotherZone);
  });

  test("R6: any higher sequence wins, however far the step, and whatever the EOL and the value", () => {
    const current = record(7n, "9999-12-31T23:59:59Z");
    for (const sequence of [8n, 107n, 108n, 1_000_000n, 2n ** 53n, 2n ** 63n - 1n]) {
      const next = record(sequence, "2100-01-01T00:00:00Z", "/ipns/elsewhere");
      expect(winner(current, next)).toBe(next);
    }
  });

  test("R6: any lower sequence loses, however late its EOL", () => {
    const current = record(7n, EOL);
    for (const sequence of [0n, 6n])
      expect(winner(current, record(sequence, "9999-12-31T23:59:59Z"))).toBe(current);
  });

  test("gotcha 10: sequences beyond 2^53 are told apart", () => {
    const higher = record(2n ** 53n + 1n, EOL);
    expect(winner(record(2n ** 53n, EOL), higher)).toBe(higher);
  });

  test("P1: the order in which answers arrive decides nothing", () => {
    const records = "ABCDEOQRVW".split("").map(vectorRecord);
    const best = selectRecord(records);
    fc.assert(
      fc.property(fc.shuffledSubarray(records, { minLength: records.length }), (shuffled) => {
        expect(selectRecord(shuffled)).toBe(best);
      }),
      { seed: 20_261_126 },
    );
    expect(best?.sequence).toBe(2n ** 53n + 1n);
  });

  test("P4: an older record never replaces a newer one by coming last", () => {
    const [older, newer] = [vectorRecord("B"), vectorRecord("C")];
    expect(selectRecord([newer, older])).toBe(newer);
  });

  test("of two records that are alike to the last byte, the longer wins", () => {
    const [signature, data] = signRaw(KEY, dataOf());
    if (signature === undefined || data === undefined) throw new Error("a signed record has two fields");
    const short = { ...decodeRecord(encodeRaw([signature, data])), bytes: Uint8Array.of(1, 2) };
    const long = { ...short, bytes: Uint8Array.of(1, 2, 0) };
    const facts = { sequence: 1n, eolNs: 1n };
    expect(
      compareRecords({ ...long, ...facts } as IpnsRecord, { ...short, ...facts } as IpnsRecord),
    ).toBeGreaterThan(0);
  });
});

describe("the order is total", () => {
  // Few sequences and EOLs, so that ties are common.
  const pool = [0n, 5n, 6n].flatMap((sequence) =>
    [EOL, "2125-01-01T00:00:00.000000001Z", "2125-01-01T01:00:00+01:00"].flatMap((eol) =>
      ["/ipfs/bafkqaaa", "/ipfs/bafkqaab"].map((value) => record(sequence, eol, value)),
    ),
  );
  const anyRecord = fc.constantFrom(
    ...pool,
    ...pool.map(({ bytes }) => decodeRecord(Uint8Array.from(bytes))),
  );
  const sameBytes = (a: IpnsRecord, b: IpnsRecord) => Buffer.compare(a.bytes, b.bytes) === 0;

  test("antisymmetric, with ties only between identical bytes", () => {
    fc.assert(
      fc.property(anyRecord, anyRecord, (a, b) => {
        expect(Math.sign(compareRecords(a, b)) + Math.sign(compareRecords(b, a))).toBe(0);
        expect(compareRecords(a, b) === 0).toBe(sameBytes(a, b));
      }),
      { numRuns: 1_000, seed: 20_261_126 },
    );
  });

  test("transitive", () => {
    fc.assert(
      fc.property(anyRecord, anyRecord, anyRecord, (a, b, c) => {
        fc.pre(compareRecords(a, b) >= 0 && compareRecords(b, c) >= 0);
        expect(compareRecords(a, c)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1_000, seed: 20_261_126 },
    );
  });

  test("merging commutes, associates and is idempotent", () => {
    const merge = (a: IpnsRecord, b: IpnsRecord) => selectRecord([a, b]) ?? a;
    fc.assert(
      fc.property(anyRecord, anyRecord, anyRecord, (a, b, c) => {
        expect(sameBytes(merge(a, b), merge(b, a))).toBe(true);
        expect(sameBytes(merge(merge(a, b), c), merge(a, merge(b, c)))).toBe(true);
        expect(sameBytes(merge(a, a), a)).toBe(true);
        expect(sameBytes(merge(merge(a, b), b), merge(a, b))).toBe(true);
      }),
      { numRuns: 1_000, seed: 20_261_126 },
    );
  });

  test("the order of the input is irrelevant", () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1 }), fc.infiniteStream(fc.nat()), (records, keys) => {
        const shuffled = records
          .map((each) => ({ each, key: keys.next().value ?? 0 }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ each }) => each);
        expect(selectRecord(shuffled)?.bytes).toEqual(selectRecord(records)?.bytes);
      }),
      { seed: 20_261_126 },
    );
  });
});
