import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as nodeSign,
  verify,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import { encodePublicKey } from "../../src/ipns/public-key.ts";
import type { KeyType, PublicKey } from "../../src/ipns/public-key.ts";
import { ipnsNameOfPublicKey } from "../../src/ipns/name.ts";
import type { IpnsName } from "../../src/ipns/name.ts";
import type { VerifySignature } from "../../src/ipns/validate.ts";

export const KEY_TYPES: readonly KeyType[] = ["Ed25519", "RSA", "Secp256k1", "ECDSA"];

export interface TestKey {
  readonly publicKey: PublicKey;
  readonly name: IpnsName;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/**
 * A key pair on node:crypto.
 *
 * @param seed 32 bytes, of which the key is a function; not for RSA.
 */
export function generateKey(type: KeyType, seed?: Uint8Array): TestKey {
  const privateKey = seed === undefined ? randomPrivateKey(type) : seededPrivateKey(type, seed);
  const publicKey = encodePublicKey(type, rawPublicKey(type, privateKey));
  const algorithm = type === "Ed25519" ? null : "sha256";
  return {
    publicKey,
    name: ipnsNameOfPublicKey(publicKey),
    sign: (message) => new Uint8Array(nodeSign(algorithm, message, privateKey)),
  };
}

/** A seed of 32 equal bytes, as in the golden vectors. */
export function seedOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

/** The oracle for our own SHA-256. */
export function nodeSha256(message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(message).digest());
}

/** The DER of an RSA key that nobody has, with a modulus of that many bits. @param exponent base64url */
export function rsaDer(bits: number, exponent: string): Uint8Array {
  const n = Buffer.alloc(bits / 8, 0xc5).toString("base64url");
  const key = createPublicKey({ key: { kty: "RSA", n, e: exponent }, format: "jwk" });
  return new Uint8Array(key.export({ type: "spki", format: "der" }));
}

export const verifySignature: VerifySignature = (publicKey, message, signature) => {
  try {
    return verify(publicKey.type === "Ed25519" ? null : "sha256", message, keyObjectOf(publicKey), signature);
  } catch {
    // The contract: a key that cannot be used signs nothing.
    return false;
  }
};

const SPKI_PREFIX = {
  Ed25519: "302a300506032b6570032100",
  Secp256k1: "3036301006072a8648ce3d020106052b8104000a032200",
} as const;

function keyObjectOf({ type, raw }: PublicKey): KeyObject {
  const prefix = type === "Ed25519" || type === "Secp256k1" ? SPKI_PREFIX[type] : "";
  return createPublicKey({
    key: Buffer.concat([Buffer.from(prefix, "hex"), raw]),
    format: "der",
    type: "spki",
  });
}

function randomPrivateKey(type: KeyType): KeyObject {
  switch (type) {
    case "Ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "RSA":
      return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    case "Secp256k1":
      return generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
    case "ECDSA":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  }
}

function seededPrivateKey(type: KeyType, seed: Uint8Array): KeyObject {
  const hex = Buffer.from(seed).toString("hex");
  switch (type) {
    case "Ed25519":
      return derKey(`302e020100300506032b657004220420${hex}`, "pkcs8");
    case "Secp256k1":
      return derKey(`302e0201010420${hex}a00706052b8104000a`, "sec1");
    case "ECDSA":
      return derKey(`30310201010420${hex}a00a06082a8648ce3d030107`, "sec1");
    case "RSA":
      throw new Error("an RSA key cannot be made from a seed");
  }
}

function derKey(hex: string, type: "pkcs8" | "sec1"): KeyObject {
  return createPrivateKey({ key: Buffer.from(hex, "hex"), format: "der", type });
}

function rawPublicKey(type: KeyType, privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  if (type === "Ed25519") return new Uint8Array(spki.subarray(-32));
  if (type !== "Secp256k1") return new Uint8Array(spki);
  const point = spki.subarray(-64);
  return Uint8Array.of(((point[63] ?? 0) & 1) === 0 ? 2 : 3, ...point.subarray(0, 32));
}
