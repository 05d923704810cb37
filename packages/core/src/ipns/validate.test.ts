import { encode } from "cborg";
import { describe, expect, expectTypeOf, test } from "vitest";
import { HoldfastError } from "../errors.ts";
import { generateKey, KEY_TYPES, nodeSha256, seedOf, verifySignature } from "../../test/support/keys.ts";
import {
  concat,
  dataOf,
  encodeRaw,
  hex,
  signedRecord,
  signRaw,
  utf8,
} from "../../test/support/raw-record.ts";
import type { RawField } from "../../test/support/raw-record.ts";
import { vector, vectorFile } from "../../test/support/vectors.ts";
import { createRecord } from "./create-record.ts";
import { ipnsNameOfMultihash, parseIpnsName } from "./name.ts";
import type { IpnsName } from "./name.ts";
import { recordProblemOf } from "./record-problem.ts";
import { contentPathOf, RECORD_BYTES_MAX } from "./record.ts";
import { compareRecords } from "./select.ts";
import { checkRecord, restoreRecord, validateRecord } from "./validate.ts";
import type { ValidatedRecord } from "./validate.ts";

const NOW_MS = Date.UTC(2025, 0, 1);
const EOL_MS = Date.UTC(2125, 0, 1);
const GOLDEN_NAME = parseIpnsName(vectorFile.names.k36);
const KEY = generateKey("Ed25519", hex(vectorFile.seed));
const STRANGER = generateKey("Ed25519", seedOf(99));
const RSA = generateKey("RSA");

async function outcome(bytes: Uint8Array, name: IpnsName = GOLDEN_NAME, nowMs = NOW_MS): Promise<string> {
  try {
    await validateRecord(bytes, name, { nowMs, verifySignature });
    return "valid";
  } catch (err) {
    const reason = recordProblemOf(err);
    if (reason === undefined) throw err;
    return reason;
  }
}

const validate = (bytes: Uint8Array, name: IpnsName = GOLDEN_NAME): Promise<ValidatedRecord> =>
  validateRecord(bytes, name, { nowMs: NOW_MS, verifySignature });

describe("the 23 vectors", () => {
  test.each([
    ["A", "v1+v2 seq5", "valid"],
    ["B", "v2-only seq5", "valid"],
    ["C", "v2-only seq6", "valid"],
    ["D", "EOL +1 ns", "valid"],
    ["E", "a tie with B", "valid"],
    ["F", "expired", "EXPIRED"],
    ["G", "v2-only with an unsigned sequence", "V1_MISMATCH"],
    ["H", "v2 with another unsigned value, no signatureV1", "V1_MISMATCH"],
    ["I", "v2 with a signatureV1 and no copies", "V1_MISMATCH"],
    ["J", "corrupted signatureV2", "SIGNATURE_INVALID"],
    ["K", "no signatureV2", "SIGNATURE_MISSING"],
    ["L", "the embedded key of someone else", "PUBLIC_KEY_MISMATCH"],
    ["M", "negative TTL", "TTL_INVALID"],
    ["N", "negative Sequence", "SEQUENCE_INVALID"],
    ["O", "Sequence 2^53+1", "valid"],
    ["P", "Sequence 2^63", "SEQUENCE_INVALID"],
    ["Q", "no TTL", "valid"],
    ["R", "empty Value", "valid"],
    ["S", "Value as text", "VALUE_INVALID"],
    ["T", "ValidityType 1", "VALIDITY_TYPE_UNSUPPORTED"],
    ["U", "signature without its prefix", "SIGNATURE_INVALID"],
    ["V", "binary CID as Value", "valid"],
    ["W", "an extra key", "valid"],
  ])("%s (%s): %s", async (letter, _, expected) => {
    expect(await outcome(vector(letter))).toBe(expected);
  });

  test("there are no others", () => {
    expect(vectorFile.vectors).toHaveLength(23);
  });

  test("say what they say", async () => {
    const b = await validate(vector("B"));
    expect({ ...factsOf(b), path: contentPathOf(b) }).toEqual({
      sequence: 5n,
      validity: "2125-01-01T00:00:00.000000000Z",
      eolNs: BigInt(EOL_MS) * 1_000_000n,
      eolMs: EOL_MS,
      ttlNs: 60_000_000_000n,
      path: "/ipfs/bafkqaddwgevxmmraojswg33smq",
    });
    expect(factsOf(await validate(vector("A")))).toEqual(factsOf(b));
    expect((await validate(vector("D"))).eolNs).toBe(b.eolNs + 1n);
    expect((await validate(vector("O"))).sequence).toBe(9_007_199_254_740_993n);
    expect((await validate(vector("Q"))).ttlNs).toBeUndefined();
    expect(contentPathOf(await validate(vector("R")))).toBe("/ipfs/bafkqaaa");
    expect(contentPathOf(await validate(vector("V")))).toBe("/ipfs/bafkqaaa");
    expect(factsOf(await validate(vector("W")))).toEqual(factsOf(b));
  });
});

function factsOf({ sequence, validity, eolNs, eolMs, ttlNs }: ValidatedRecord) {
  return { sequence, validity, eolNs, eolMs, ttlNs };
}

describe("the key", () => {
  test.each(KEY_TYPES)("records of a %s name are accepted, with and without V1 fields", async (type) => {
    const key = generateKey(type);
    for (const v1Compatible of [true, false]) {
      const bytes = await createRecord(
        { value: "/ipfs/bafkqaaa", sequence: 1n, eolMs: EOL_MS, v1Compatible, publicKey: key.publicKey },
        key.sign,
      );
      const record = await validate(bytes, key.name);
      expect(record.name).toBe(key.name);
      expect(record.embeddedPublicKey !== undefined).toBe(type === "RSA" || type === "ECDSA");
      expect(await outcome(bytes, GOLDEN_NAME)).toMatch(/^(PUBLIC_KEY_MISMATCH|SIGNATURE_INVALID)$/u);
    }
  });

  test("R1: a record signed by a stranger is refused, however high its sequence", async () => {
    const forged = signedRecord(STRANGER, dataOf({ Sequence: 2n ** 63n - 1n }));
    expect(await outcome(forged)).toBe("SIGNATURE_INVALID");
    const withKey = encodeRaw([[7, STRANGER.publicKey.protobuf], ...signRaw(STRANGER, dataOf())]);
    expect(await outcome(withKey)).toBe("PUBLIC_KEY_MISMATCH");
  });

  test("gotcha 6: an RSA record that embeds another RSA key, whose signature is good, is refused", async () => {
    const other = generateKey("RSA");
    const bytes = encodeRaw([[7, other.publicKey.protobuf], ...signRaw(other, dataOf())]);
    expect(await outcome(bytes, other.name)).toBe("valid");
    expect(await outcome(bytes, RSA.name)).toBe("PUBLIC_KEY_MISMATCH");
  });

  test("an RSA name needs an embedded key, and a well-formed one", async () => {
    expect(await outcome(signedRecord(RSA, dataOf()), RSA.name)).toBe("PUBLIC_KEY_MISSING");
    for (const protobuf of [hex(""), hex("0800"), RSA.publicKey.protobuf.subarray(1)]) {
      const bytes = encodeRaw([[7, protobuf], ...signRaw(RSA, dataOf())]);
      expect(await outcome(bytes, RSA.name)).toBe("PUBLIC_KEY_INVALID");
    }
  });

  test("an Ed25519 record may embed its key although the name contains it", async () => {
    const bytes = encodeRaw([[7, KEY.publicKey.protobuf], ...signRaw(KEY, dataOf())]);
    expect(await outcome(bytes)).toBe("valid");
  });

  test("the SHA-256 of a key that is short enough to be inlined is not its name", async () => {
    const hashed = ipnsNameOfMultihash(concat(hex("1220"), nodeSha256(KEY.publicKey.protobuf)));
    const bytes = encodeRaw([[7, KEY.publicKey.protobuf], ...signRaw(KEY, dataOf())]);
    expect(await outcome(bytes, hashed)).toBe("PUBLIC_KEY_MISMATCH");
  });
});

describe("the signed data", () => {
  const text = (value: string) => utf8(value);
  test.each([
    ["no Value", { Value: undefined }, "VALUE_INVALID"],
    ["a numeric Value", { Value: 1 }, "VALUE_INVALID"],
    ["no Validity", { Validity: undefined }, "VALIDITY_INVALID"],
    ["Validity as text", { Validity: "2125-01-01T00:00:00Z" }, "VALIDITY_INVALID"],
    ["Validity with a space", { Validity: text("2125-01-01 00:00:00Z") }, "VALIDITY_INVALID"],
    ["a Validity that is empty", { Validity: text("") }, "VALIDITY_INVALID"],
    ["a day that does not exist", { Validity: text("2125-02-30T00:00:00Z") }, "VALIDITY_INVALID"],
    ["no ValidityType", { ValidityType: undefined }, "VALIDITY_TYPE_UNSUPPORTED"],
    ["a ValidityType of null", { ValidityType: null }, "VALIDITY_TYPE_UNSUPPORTED"],
    ["no Sequence", { Sequence: undefined }, "SEQUENCE_INVALID"],
    ["Sequence as text", { Sequence: "5" }, "SEQUENCE_INVALID"],
    ["Sequence 2^64-1", { Sequence: 2n ** 64n - 1n }, "SEQUENCE_INVALID"],
    ["Sequence -1", { Sequence: -1 }, "SEQUENCE_INVALID"],
    ["TTL 2^63", { TTL: 2n ** 63n }, "TTL_INVALID"],
    ["TTL as text", { TTL: "60" }, "TTL_INVALID"],
    ["TTL null", { TTL: null }, "TTL_INVALID"],
    ["a fractional Sequence", { Sequence: 1.5 }, "DATA_INVALID"],
    ["metadata that is a float", { _x: 1.5 }, "DATA_INVALID"],
  ])("%s is refused", async (_, changes, problem) => {
    const bytes = signedRecord(KEY, dataOf(changes));
    expect(await outcome(bytes)).toBe(problem);
  });

  test.each([
    ["Sequence 0 (R2)", { Sequence: 0 }],
    ["Sequence 2^63-1", { Sequence: 2n ** 63n - 1n }],
    ["TTL 0", { TTL: 0 }],
    ["TTL of a hundred years", { TTL: 3_155_760_000_000_000_000n }],
    ["TTL 2^63-1", { TTL: 2n ** 63n - 1n }],
    ["an EOL in 9999", { Validity: utf8("9999-12-31T23:59:59.999999999Z") }],
    ["an EOL with an offset and no fraction", { Validity: utf8("2125-01-01T00:00:00+02:00") }],
    ["metadata of all kinds", { _a: "ü", _b: utf8("x"), _c: -5, _d: true, _e: null, _f: [1, { a: [] }] }],
    ["a key beside the five", { value: utf8("/ipfs/other"), sequence: 999 }],
    ["a Value that is no path", { Value: utf8("nonsense") }],
  ])("%s is accepted", async (_, changes) => {
    expect(await outcome(signedRecord(KEY, dataOf(changes)))).toBe("valid");
  });

  test("a float that is an integer is refused", async () => {
    const bytes = encode(dataOf());
    const at = Buffer.from(bytes).indexOf("Sequence") + "Sequence".length;
    const asFloat = concat(bytes.subarray(0, at), hex("fb4014000000000000"), bytes.subarray(at + 1));
    expect(await outcome(signedRecord(KEY, asFloat))).toBe("DATA_INVALID");
  });

  test.each([
    ["keys out of order", (data: Uint8Array) => reorderKeys(data)],
    [
      "a repeated key",
      (data: Uint8Array) => concat(hex("a6"), data.subarray(1), hex("6c"), utf8("ValidityType"), hex("00")),
    ],
    ["an indefinite map", (data: Uint8Array) => concat(hex("bf"), data.subarray(1), hex("ff"))],
    ["bytes after the map", (data: Uint8Array) => concat(data, hex("00"))],
    ["a map that is cut off", (data: Uint8Array) => data.subarray(0, -1)],
    ["a count in two bytes", (data: Uint8Array) => concat(hex("b805"), data.subarray(1))],
    ["a list", () => hex("80")],
    ["undefined", (data: Uint8Array) => concat(hex("a6625f78f7"), data.subarray(1))],
  ])("%s: refused although the owner signed it", async (_, change) => {
    expect(await outcome(signedRecord(KEY, change(Uint8Array.from(encode(dataOf())))))).toBe("DATA_INVALID");
  });
});

/** Moves the first entry, the TTL, to the end. */
function reorderKeys(data: Uint8Array): Uint8Array {
  const end = Buffer.from(data).indexOf("Value") - 1;
  return concat(data.subarray(0, 1), data.subarray(end), data.subarray(1, end));
}

describe("the envelope, which nothing signs", () => {
  const signed = signRaw(KEY, dataOf());
  const v1: RawField[] = [
    [1, utf8("/ipfs/bafkqaaa")],
    [2, utf8("a broken signature is fine")],
    [3, 0n],
    [4, utf8("2125-01-01T00:00:00.000000000Z")],
    [5, 5n],
    [6, 60_000_000_000n],
  ];

  test("V1 copies that equal the signed fields are accepted, whatever the V1 signature", async () => {
    expect(await outcome(encodeRaw([...v1, ...signed]))).toBe("valid");
    expect(await outcome(encodeRaw([...v1.filter(([field]) => field !== 2), ...signed]))).toBe("valid");
  });

  test.each([
    [1, utf8("/ipfs/bafkqaab")],
    [1, utf8("")],
    [3, 1n],
    [4, utf8("2125-01-01T00:00:00Z")],
    [5, 6n],
    [6, 60_000_000_001n],
  ])("R8: a record whose copy of field %i differs is refused", async (field, value) => {
    const fields = v1.map((copy): RawField => (copy[0] === field ? [field, value] : copy));
    expect(await outcome(encodeRaw([...fields, ...signed]))).toBe("V1_MISMATCH");
  });

  test.each([1, 3, 4, 5, 6])(
    "a record that lacks the copy of field %i but has others is refused",
    async (missing) => {
      const fields = v1.filter(([field]) => field !== missing);
      expect(await outcome(encodeRaw([...fields, ...signed]))).toBe("V1_MISMATCH");
    },
  );

  test("R8, gotcha 3: a lone unsigned sequence is refused and never believed", async () => {
    expect(await outcome(encodeRaw([[5, 999n], ...signed]))).toBe("V1_MISMATCH");
  });

  test("a record with copies needs a TTL, as in Kubo", async () => {
    const withoutTtl = signRaw(KEY, dataOf({ TTL: undefined }));
    expect(await outcome(encodeRaw(withoutTtl))).toBe("valid");
    expect(await outcome(encodeRaw([...v1.slice(0, 5), ...withoutTtl]))).toBe("V1_MISMATCH");
    expect(await outcome(encodeRaw([...v1.slice(0, 5), [6, 0n], ...withoutTtl]))).toBe("V1_MISMATCH");
  });

  test.each([
    ["a second record behind it", concat(encodeRaw(signed), encodeRaw(signed))],
    ["another valid record behind it", concat(vector("B"), vector("C"))],
    ["an unknown field", encodeRaw([...signed, [10, utf8("x")]])],
    ["an unknown field with a large number", encodeRaw([...signed, [123_456, 1n]])],
    ["field 0", encodeRaw([[0, 1n], ...signed])],
    ["fields out of order", encodeRaw([...signed.slice(1), ...signed.slice(0, 1)])],
    ["a signature twice", encodeRaw([...signed.slice(0, 1), ...signed])],
  ])("%s: not the canonical envelope", async (_, bytes) => {
    expect(await outcome(bytes)).toBe("ENVELOPE_NOT_CANONICAL");
  });

  test.each([
    ["a length padded to more bytes", concat(hex("42c000"), encodeRaw(signed).subarray(2))],
    ["a tag padded to more bytes", concat(hex("c200"), encodeRaw(signed).subarray(1))],
    ["a wire type that is wrong", concat(hex("40"), encodeRaw(signed).subarray(1))],
    ["a group", concat(hex("43"), encodeRaw(signed).subarray(1))],
    ["text", utf8("not a record at all")],
    ["a field that is cut off", encodeRaw(signed).subarray(0, -1)],
  ])("%s: no protobuf of ours", async (_, bytes) => {
    expect(await outcome(bytes)).toMatch(/^(PROTOBUF_INVALID|ENVELOPE_NOT_CANONICAL)$/u);
  });

  test("signature and data must be there and not be empty", async () => {
    const [signature, data] = signed as [RawField, RawField];
    expect(await outcome(encodeRaw([data]))).toBe("SIGNATURE_MISSING");
    expect(await outcome(encodeRaw([[8, hex("")], data]))).toBe("SIGNATURE_MISSING");
    expect(await outcome(encodeRaw([signature]))).toBe("DATA_MISSING");
    expect(await outcome(encodeRaw([signature, [9, hex("")]]))).toBe("DATA_MISSING");
    expect(await outcome(encodeRaw(v1))).toBe("SIGNATURE_MISSING");
  });

  test("gotcha 7: no bytes, 10,240 bytes and one more", async () => {
    const recordOf = (padding: number) =>
      signedRecord(KEY, dataOf({ Value: utf8(`/ipfs/bafkqaaa/${"a".repeat(padding)}`) }));
    const overhead = recordOf(9_000).length - 9_000;
    const largest = recordOf(RECORD_BYTES_MAX - overhead);
    expect(largest).toHaveLength(10_240);
    expect(await outcome(largest)).toBe("valid");
    expect(await outcome(recordOf(RECORD_BYTES_MAX - overhead + 1))).toBe("TOO_LARGE");
    expect(await outcome(new Uint8Array(5_000_000))).toBe("TOO_LARGE");
    expect(await outcome(new Uint8Array())).toBe("EMPTY");
  });
});

describe("time", () => {
  test("R13: a record is valid up to and including its EOL, and not a millisecond longer", async () => {
    expect(await outcome(vector("B"), GOLDEN_NAME, EOL_MS)).toBe("valid");
    expect(await outcome(vector("B"), GOLDEN_NAME, EOL_MS + 1)).toBe("EXPIRED");
  });
});

describe("trust", () => {
  test("everything but the signature is checked before the signature", async () => {
    const calls: string[] = [];
    const counting = { nowMs: NOW_MS, verifySignature: () => calls.push("asked") > 0 };
    for (const letter of "FGHIKLMNPST".split("")) {
      await expect(validateRecord(vector(letter), GOLDEN_NAME, counting)).rejects.toThrow(HoldfastError);
    }
    expect(calls).toEqual([]);
    await validateRecord(vector("B"), GOLDEN_NAME, counting);
    expect(calls).toEqual(["asked"]);
  });

  test("what the signature check throws reaches the caller", async () => {
    const full = new HoldfastError("OVERLOADED", "the queue is full");
    const rejecting = { nowMs: NOW_MS, verifySignature: () => Promise.reject(full) };
    await expect(validateRecord(vector("B"), GOLDEN_NAME, rejecting)).rejects.toBe(full);
  });

  test("checkRecord gives what a signature check needs", () => {
    const { record, publicKey, signedBytes } = checkRecord(vector("B"), GOLDEN_NAME, NOW_MS);
    expect(Buffer.from(signedBytes.subarray(0, 15)).toString("hex")).toBe("69706e732d7369676e61747572653a");
    expect(signedBytes.subarray(15)).toEqual(record.data);
    expect(verifySignature(publicKey, signedBytes, record.signatureV2)).toBe(true);
  });

  test("a record owns its bytes", async () => {
    const large = new Uint8Array(100_000);
    large.set(vector("B"), 500);
    const view = large.subarray(500, 500 + vector("B").length);
    const [validated, restored] = [await validate(view), restoreRecord(view, GOLDEN_NAME)];
    large.fill(0);
    for (const record of [validated, restored]) {
      expect(record.bytes).toEqual(vector("B"));
      expect(record.bytes.buffer.byteLength).toBe(vector("B").length);
      expect(contentPathOf(record)).toBe("/ipfs/bafkqaddwgevxmmraojswg33smq");
      expect(record.value.buffer).toBe(record.bytes.buffer);
    }
  });

  test("the bytes may be changed while the signature is checked", async () => {
    const bytes = Uint8Array.from(vector("B"));
    const record = await validateRecord(bytes, GOLDEN_NAME, {
      nowMs: NOW_MS,
      verifySignature: (...facts) => {
        bytes.fill(0);
        return verifySignature(...facts);
      },
    });
    expect(record.bytes).toEqual(vector("B"));
  });

  test("a stored record is restored as it was, also when it has expired since", async () => {
    for (const letter of "ABCDEOQRVW".split("")) {
      const record = await validate(vector(letter));
      const restored = restoreRecord(record.bytes, GOLDEN_NAME);
      expect(compareRecords(restored, record)).toBe(0);
      expect(restored.name).toBe(GOLDEN_NAME);
      expect(factsOf(restored)).toEqual(factsOf(record));
    }
    expect(restoreRecord(vector("F"), GOLDEN_NAME).sequence).toBe(9n);
    expect(() => restoreRecord(vector("B").subarray(1), GOLDEN_NAME)).toThrow(HoldfastError);
  });

  test("neither a copy nor a literal is a ValidatedRecord to the compiler", async () => {
    const record = await validate(vector("B"));
    // oxlint-disable-next-line typescript/no-misused-spread -- losing the class is what is tested
    const copy = { ...record, bytes: vector("C") };
    // @ts-expect-error a spread copy lacks the mark
    const fromCopy: ValidatedRecord = copy;
    const { record: unchecked } = checkRecord(vector("B"), GOLDEN_NAME, NOW_MS);
    // @ts-expect-error a decoded record was not verified
    const fromDecoded: ValidatedRecord = unchecked;
    const {
      bytes,
      value,
      sequence,
      validity,
      eolNs,
      eolMs,
      ttlNs,
      signatureV2,
      data,
      embeddedPublicKey,
      name,
    } = record;
    // @ts-expect-error a literal lacks the mark
    const fromLiteral: ValidatedRecord = {
      bytes,
      value,
      sequence,
      validity,
      eolNs,
      eolMs,
      ttlNs,
      signatureV2,
      data,
      embeddedPublicKey,
      name,
    };
    expectTypeOf(record).toEqualTypeOf<ValidatedRecord>();
    expect(
      [fromCopy, fromDecoded, fromLiteral].every((forged) => forged.constructor !== record.constructor),
    ).toBe(true);
  });

  test("messages say what is wrong and with what code", async () => {
    await expect(validate(vector("F"))).rejects.toThrow(
      "invalid IPNS record: the record has expired: since 2020-01-01T00:00:00.000000000Z",
    );
    await expect(validate(vector("F"))).rejects.toMatchObject({
      code: "RECORD_INVALID",
      details: { reason: "EXPIRED" },
    });
    expect(recordProblemOf(new Error("another"))).toBeUndefined();
    expect(
      recordProblemOf(new HoldfastError("RECORD_INVALID", "x", { details: { reason: "toString" } })),
    ).toBeUndefined();
  });
});
