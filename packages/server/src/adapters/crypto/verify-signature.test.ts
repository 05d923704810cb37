import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { generateKeyPair, publicKeyFromProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateIpnsKey } from "./keys.ts";
import { verifySignature } from "./verify-signature.ts";

const KEY_TYPES = ["Ed25519", "RSA", "Secp256k1", "ECDSA"] as const;
/**
 * js-libp2p is no oracle for ECDSA: it signs without DER and cannot read a PKIX key, against the specification. Kubo is one,
 * for all four types, in `keys-kubo.test.ts`.
 */
const LIBP2P_KEY_TYPES = ["Ed25519", "RSA", "Secp256k1"] as const;
const MESSAGE = new TextEncoder().encode("ipns-signature:what the owner signed");

describe.each(LIBP2P_KEY_TYPES)("%s", (type) => {
  test("what js-libp2p signs verifies here", async () => {
    const key = await generateLibp2pKey(type);
    const signature = await key.sign(MESSAGE);
    const { raw } = key.publicKey;
    expect(verifySignature({ type, raw }, MESSAGE, signature)).toBe(true);
    expect(verifySignature({ type, raw }, MESSAGE.slice(1), signature)).toBe(false);
  });

  test("what is signed here verifies in js-libp2p, every time", async () => {
    const key = generateIpnsKey(type);
    const publicKey = publicKeyFromProtobuf(key.publicKey.protobuf);
    // 32 signatures: half of them would have a high S, which js-libp2p refuses for Secp256k1.
    for (let index = 0; index < 32; index++) {
      const message = Uint8Array.of(...MESSAGE, index);
      const signature = key.sign(message);
      expect(verifySignature(key.publicKey, message, signature)).toBe(true);
      expect(await publicKey.verify(message, signature)).toBe(true);
    }
  });
});

describe.each(KEY_TYPES)("%s", (type) => {
  test("a signature with any bit changed is refused", () => {
    const key = generateIpnsKey(type);
    const signature = key.sign(MESSAGE);
    fc.assert(
      fc.property(fc.nat({ max: signature.length * 8 - 1 }), (bit) => {
        expect(verifySignature(key.publicKey, MESSAGE, flipBit(signature, bit))).toBe(false);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  test("a signature of another key or with bytes missing or added is refused", () => {
    const key = generateIpnsKey(type);
    const other = generateIpnsKey(type);
    const signature = key.sign(MESSAGE);
    expect(verifySignature(other.publicKey, MESSAGE, signature)).toBe(false);
    expect(verifySignature(key.publicKey, MESSAGE, signature.subarray(0, -1))).toBe(false);
    expect(verifySignature(key.publicKey, MESSAGE, Uint8Array.of(...signature, 0))).toBe(false);
    expect(verifySignature(key.publicKey, MESSAGE, new Uint8Array())).toBe(false);
  });

  test("garbage keys and signatures are refused without throwing", () => {
    const { raw } = generateIpnsKey(type).publicKey;
    const bytes = fc.uint8Array({ maxLength: 300 });
    const damaged = fc.nat({ max: raw.length * 8 - 1 }).map((bit) => flipBit(raw, bit));
    fc.assert(
      fc.property(fc.oneof(bytes, damaged), bytes, bytes, (key, message, signature) => {
        expect(verifySignature({ type, raw: key }, message, signature)).toBe(false);
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  test("a key under the name of another type is refused", () => {
    const key = generateIpnsKey(type);
    const signature = key.sign(MESSAGE);
    for (const other of KEY_TYPES.filter((candidate) => candidate !== type)) {
      expect(verifySignature({ type: other, raw: key.publicKey.raw }, MESSAGE, signature)).toBe(false);
    }
  });
});

describe("keys that go-libp2p refuses", () => {
  const signedWith = (privateKey: KeyObject): Uint8Array => sign("sha256", MESSAGE, privateKey);
  const spki = (key: KeyObject): Uint8Array => key.export({ format: "der", type: "spki" });

  test.each([1024, 2040])("RSA of %i bits", (modulusLength) => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength });
    const verdict = verifySignature({ type: "RSA", raw: spki(publicKey) }, MESSAGE, signedWith(privateKey));
    expect(verdict).toBe(false);
  });

  test("RSA with an exponent above 2^31", () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicExponent: 0xffff_fffb,
    });
    const verdict = verifySignature({ type: "RSA", raw: spki(publicKey) }, MESSAGE, signedWith(privateKey));
    expect(verdict).toBe(false);
  });

  test("RSA-PSS", () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
    const verdict = verifySignature({ type: "RSA", raw: spki(publicKey) }, MESSAGE, signedWith(privateKey));
    expect(verdict).toBe(false);
  });

  test.each(["secp256k1", "brainpoolP256r1"])("ECDSA on %s", (namedCurve) => {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
    const verdict = verifySignature({ type: "ECDSA", raw: spki(publicKey) }, MESSAGE, signedWith(privateKey));
    expect(verdict).toBe(false);
  });

  test("ECDSA on a curve whose parameters the key spells out", () => {
    const { publicKey, privateKey } = generateKeyPairSync("ec", {
      namedCurve: "prime256v1",
      paramEncoding: "explicit",
    });
    const verdict = verifySignature({ type: "ECDSA", raw: spki(publicKey) }, MESSAGE, signedWith(privateKey));
    expect(verdict).toBe(false);
  });

  test("ECDSA with a compressed point", () => {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const whole = spki(publicKey);
    const pointStart = whole.length - 97;
    const x = whole.subarray(pointStart + 1, pointStart + 49);
    const prefix = Uint8Array.from(whole.subarray(0, pointStart));
    // The outer sequence and the bit string get 48 bytes shorter.
    prefix[1] = (prefix[1] ?? 0) - 48;
    prefix[prefix.length - 2] = (prefix.at(-2) ?? 0) - 48;
    const raw = Uint8Array.of(...prefix, 2 | ((whole.at(-1) ?? 0) & 1), ...x);
    const imported = createPublicKey({ key: Buffer.from(raw), format: "der", type: "spki" });
    expect(imported.equals(publicKey)).toBe(true);
    expect(verifySignature({ type: "ECDSA", raw }, MESSAGE, signedWith(privateKey))).toBe(false);
  });

  test.each(["RSA", "ECDSA"] as const)("%s with bytes after the key", (type) => {
    const key = generateIpnsKey(type);
    const raw = Uint8Array.of(...key.publicKey.raw, 0);
    expect(verifySignature({ type, raw }, MESSAGE, key.sign(MESSAGE))).toBe(false);
  });
});

test("the larger ECDSA curves verify", () => {
  for (const namedCurve of ["secp224r1", "secp384r1", "secp521r1"]) {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
    const raw = publicKey.export({ format: "der", type: "spki" });
    expect(verifySignature({ type: "ECDSA", raw }, MESSAGE, sign("sha256", MESSAGE, privateKey))).toBe(true);
  }
});

function generateLibp2pKey(type: (typeof LIBP2P_KEY_TYPES)[number]): Promise<PrivateKey> {
  switch (type) {
    case "Ed25519":
      return generateKeyPair("Ed25519");
    case "RSA":
      return generateKeyPair("RSA", 2048);
    case "Secp256k1":
      return generateKeyPair("secp256k1");
  }
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  const index = bit >> 3;
  flipped[index] = (flipped[index] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}
