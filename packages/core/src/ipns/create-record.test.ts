import fc from "fast-check";
import { expect, test } from "vitest";
import { generateKey, KEY_TYPES, seedOf, verifySignature } from "../../test/support/keys.ts";
import { hex } from "../../test/support/raw-record.ts";
import { vector, vectorFile } from "../../test/support/vectors.ts";
import { createRecord } from "./create-record.ts";
import type { RecordContent } from "./create-record.ts";
import { contentPathOf, decodeRecord } from "./record.ts";
import { validateRecord } from "./validate.ts";

const GOLDEN_KEY = generateKey("Ed25519", hex(vectorFile.seed));
const GOLDEN = {
  value: "/ipfs/bafkqaddwgevxmmraojswg33smq",
  sequence: 5n,
  ttlNs: 60_000_000_000n,
  eolMs: Date.UTC(2125, 0, 1),
};
const B_HEX =
  "4240b8463765bf3d5e44efd16da85efe2b43b46f02f3422341a8a1185578cb13ec7cfa2c92fdbbf6c8bcf04f292c944b29d8cfd2de708158b19759e6b7511f6f3b0d" +
  "4a78a56354544c1b0000000df84758006556616c756558212f697066732f6261666b7161646477676576786d6d72616f6a7377673333736d716853657175656e636505" +
  "6856616c6964697479581e323132352d30312d30315430303a30303a30302e3030303030303030305a6c56616c69646974795479706500";
const A_BASE64 =
  "CiEvaXBmcy9iYWZrcWFkZHdnZXZ4bW1yYW9qc3dnMzNzbXESQDiasISoXNol/jqpnlxnjw+VQ9789UErCteF9McS+HbMgGIbIjGI4gyVlPdLkVJkJVzGD2z7uDDmNog8srKyKgkYACIe" +
  "MjEyNS0wMS0wMVQwMDowMDowMC4wMDAwMDAwMDBaKAUwgLCdwt8BQkC4Rjdlvz1eRO/Rbahe/itDtG8C80IjQaihGFV4yxPsfPoskv279si88E8pLJRLKdjP0t5wgVixl1nmt1EfbzsN" +
  "SnilY1RUTBsAAAAN+EdYAGVWYWx1ZVghL2lwZnMvYmFma3FhZGR3Z2V2eG1tcmFvanN3ZzMzc21xaFNlcXVlbmNlBWhWYWxpZGl0eVgeMjEyNS0wMS0wMVQwMDowMDowMC4wMDAwMDAw" +
  "MDBabFZhbGlkaXR5VHlwZQA=";

test("golden record B is made again, byte by byte", async () => {
  const bytes = await createRecord({ ...GOLDEN, v1Compatible: false }, GOLDEN_KEY.sign);
  expect(Buffer.from(bytes).toString("hex")).toBe(B_HEX);
  expect(bytes).toEqual(vector("B"));
});

test("golden record A is made again, byte by byte, and is what the wire carries", async () => {
  const bytes = await createRecord({ ...GOLDEN, publicKey: GOLDEN_KEY.publicKey }, GOLDEN_KEY.sign);
  expect(Buffer.from(bytes).toString("base64")).toBe(A_BASE64);
  expect(bytes).toEqual(vector("A"));
});

test("vectors D, O, Q, R, V and W are made again", async () => {
  const make = (changes: Partial<RecordContent>) => {
    const { ttlNs, eolMs, ...rest } = GOLDEN;
    const eol = changes.validity === undefined ? { eolMs } : {};
    const ttl = "ttlNs" in changes ? {} : { ttlNs };
    return createRecord({ ...rest, ...ttl, ...eol, v1Compatible: false, ...changes }, GOLDEN_KEY.sign);
  };
  expect(await make({ validity: "2125-01-01T00:00:00.000000001Z" })).toEqual(vector("D"));
  expect(await make({ sequence: 2n ** 53n + 1n })).toEqual(vector("O"));
  expect(await make({ value: "" })).toEqual(vector("R"));
  expect(await make({ value: hex("01550000") })).toEqual(vector("V"));
  expect(await make({ metadata: { _x: "y" } })).toEqual(vector("W"));
  const { ttlNs: _, ...withoutTtl } = GOLDEN;
  expect(await createRecord({ ...withoutTtl, v1Compatible: false }, GOLDEN_KEY.sign)).toEqual(vector("Q"));
});

const metadata = fc.dictionary(
  fc.string({ unit: "grapheme", maxLength: 10 }).map((key) => `_${key}`),
  fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 50 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.uint8Array({ maxLength: 50 }),
  ),
  { maxKeys: 4, noNullPrototype: true },
);

const content = fc.record({
  value: fc.webPath({ size: "small" }).map((path) => `/ipfs/bafkqaaa${path}`),
  sequence: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  eolMs: fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(9999, 11, 31) }),
  ttlNs: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  v1Compatible: fc.boolean(),
  metadata,
});

test.each(KEY_TYPES)("any record of a %s key is valid and says what was put into it", async (type) => {
  const key = generateKey(type, type === "RSA" ? undefined : seedOf(8));
  await fc.assert(
    fc.asyncProperty(content, async (given) => {
      const bytes = await createRecord({ ...given, publicKey: key.publicKey }, key.sign);
      const record = await validateRecord(bytes, key.name, { nowMs: Date.UTC(2025, 0, 1), verifySignature });
      expect(contentPathOf(record)).toBe(given.value);
      expect(record.sequence).toBe(given.sequence);
      expect(record.eolMs).toBe(given.eolMs);
      expect(record.eolNs).toBe(BigInt(given.eolMs) * 1_000_000n);
      expect(record.ttlNs).toBe(given.ttlNs);
      expect(record.validity).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/u);
      expect(record.bytes[0]).toBe(given.v1Compatible ? 0x0a : record.embeddedPublicKey ? 0x3a : 0x42);
    }),
    { seed: 20_261_126 },
  );
});

test("without a TTL a V1 record says five minutes, a V2-only record nothing", async () => {
  const { ttlNs: _, ...withoutTtl } = GOLDEN;
  const v1 = decodeRecord(await createRecord(withoutTtl, GOLDEN_KEY.sign));
  expect(v1.ttlNs).toBe(300_000_000_000n);
  const v2 = decodeRecord(await createRecord({ ...withoutTtl, v1Compatible: false }, GOLDEN_KEY.sign));
  expect(v2.ttlNs).toBeUndefined();
});

const { eolMs: _, ...withoutEol } = GOLDEN;
test.each<[string, RecordContent]>([
  ["a negative sequence", { ...GOLDEN, sequence: -1n }],
  ["a sequence of 2^63", { ...GOLDEN, sequence: 2n ** 63n }],
  ["a negative TTL", { ...GOLDEN, ttlNs: -1n }],
  ["a TTL of 2^63", { ...GOLDEN, ttlNs: 2n ** 63n }],
  ["a value that is no path", { ...GOLDEN, value: "bafkqaaa" }],
  ["no EOL", withoutEol],
  ["two EOLs", { ...GOLDEN, validity: "2125-01-01T00:00:00Z" }],
  ["an EOL that is no time", { ...withoutEol, validity: "tomorrow" }],
  ["an EOL of NaN", { ...withoutEol, eolMs: Number.NaN }],
  ["an EOL beyond all dates", { ...withoutEol, eolMs: 1e17 }],
  ["an EOL after the year 9999", { ...withoutEol, eolMs: Date.UTC(10_000, 0, 1) }],
  ["a fraction of a millisecond", { ...withoutEol, eolMs: 1.5 }],
  ["metadata that is one of the five keys", { ...GOLDEN, metadata: { Sequence: 9 } }],
  ["metadata without a key", { ...GOLDEN, metadata: { "": 9 } }],
  ["metadata that is a float", { ...GOLDEN, metadata: { _x: 1.5 } }],
  ["metadata beyond 64 bits", { ...GOLDEN, metadata: { _x: 2n ** 63n } }],
  ["more than 10,240 bytes", { ...GOLDEN, value: `/ipfs/bafkqaaa/${"a".repeat(10_240)}` }],
])("refuses to make a record with %s", async (_name, given) => {
  await expect(createRecord(given, GOLDEN_KEY.sign)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("waits for a signature that comes later", async () => {
  const later = (message: Uint8Array) => Promise.resolve(GOLDEN_KEY.sign(message));
  expect(await createRecord(GOLDEN, later)).toEqual(vector("A"));
});
