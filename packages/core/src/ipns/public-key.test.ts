import { expect, test } from "vitest";
import { isHoldfastError } from "../errors.ts";
import { generateKey, KEY_TYPES, rsaDer, seedOf } from "../../test/support/keys.ts";
import { encodeRaw, hex } from "../../test/support/raw-record.ts";
import { decodePublicKey, encodePublicKey } from "./public-key.ts";

function outcome(protobuf: Uint8Array): unknown {
  try {
    return decodePublicKey(protobuf).type;
  } catch (err) {
    return isHoldfastError(err) ? err.code : err;
  }
}

test.each(KEY_TYPES)("a key of type %s is the same after encoding and decoding", (type) => {
  const { publicKey } = generateKey(type);
  expect(decodePublicKey(publicKey.protobuf)).toEqual(publicKey);
  expect(encodePublicKey(type, publicKey.raw)).toEqual(publicKey);
});

test("an Ed25519 key is 08 01 12 20 and 32 bytes", () => {
  const { protobuf, raw } = generateKey("Ed25519", seedOf(7)).publicKey;
  expect(Buffer.from(protobuf).toString("hex")).toBe(`08011220${Buffer.from(raw).toString("hex")}`);
});

const raw = new Uint8Array(32).fill(9);

test.each([
  ["nothing", new Uint8Array()],
  [
    "the data before the type",
    encodeRaw([
      [2, raw],
      [1, 1n],
    ]),
  ],
  ["no data", encodeRaw([[1, 1n]])],
  ["a type padded to two bytes", hex(`0881001220${"09".repeat(32)}`)],
  [
    "an unknown type",
    encodeRaw([
      [1, 4n],
      [2, raw],
    ]),
  ],
  [
    "a huge type",
    encodeRaw([
      [1, 2n ** 63n],
      [2, raw],
    ]),
  ],
  [
    "a field more",
    encodeRaw([
      [1, 1n],
      [2, raw],
      [3, 1n],
    ]),
  ],
  [
    "the data twice",
    encodeRaw([
      [1, 1n],
      [2, raw],
      [2, raw],
    ]),
  ],
  ["data that is cut off", hex("0801122009")],
  [
    "an Ed25519 key of 31 bytes",
    encodeRaw([
      [1, 1n],
      [2, raw.subarray(1)],
    ]),
  ],
  [
    "an uncompressed secp256k1 point",
    encodeRaw([
      [1, 2n],
      [2, Uint8Array.of(4, ...raw, ...raw)],
    ]),
  ],
  [
    "a secp256k1 key of 33 bytes that is no point",
    encodeRaw([
      [1, 2n],
      [2, Uint8Array.of(4, ...raw)],
    ]),
  ],
  [
    "an ECDSA key that is no DER",
    encodeRaw([
      [1, 3n],
      [2, new Uint8Array(91)],
    ]),
  ],
  [
    "an ECDSA key with curve parameters of its own",
    encodeRaw([
      [1, 3n],
      [2, new Uint8Array(300).fill(0x30)],
    ]),
  ],
  [
    "an RSA key that is no DER",
    encodeRaw([
      [1, 0n],
      [2, new Uint8Array(294)],
    ]),
  ],
])("refuses %s", (_, protobuf) => {
  expect(outcome(protobuf)).toBe("INVALID_ARGUMENT");
});

test.each([
  [1024, "AQAB", "INVALID_ARGUMENT"],
  [2048, "AQAB", "RSA"],
  [2048, "Aw", "RSA"],
  [8192, "AQAB", "RSA"],
  [8200, "AQAB", "INVALID_ARGUMENT"],
  [2048, Buffer.alloc(255, 0x55).toString("base64url"), "INVALID_ARGUMENT"],
])("an RSA key of %i bits and the exponent %s: %s", (bits, exponent, expected) => {
  expect(
    outcome(
      encodeRaw([
        [1, 0n],
        [2, rsaDer(bits, exponent)],
      ]),
    ),
  ).toBe(expected);
});

test("refuses every prefix of an RSA key, and an ECDSA key under its type", () => {
  const { raw: rsa } = generateKey("RSA").publicKey;
  for (let length = 0; length < rsa.length; length++) {
    expect(
      outcome(
        encodeRaw([
          [1, 0n],
          [2, rsa.subarray(0, length)],
        ]),
      ),
    ).toBe("INVALID_ARGUMENT");
  }
  expect(
    outcome(
      encodeRaw([
        [1, 0n],
        [2, generateKey("ECDSA").publicKey.raw],
      ]),
    ),
  ).toBe("INVALID_ARGUMENT");
});
