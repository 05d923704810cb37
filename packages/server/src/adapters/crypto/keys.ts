import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from "node:crypto";
import {
  encodePublicKey,
  HoldfastError,
  type IpnsName,
  ipnsNameOfPublicKey,
  type KeyType,
  type PublicKey,
} from "@holdfast/core";
import { publicKeyObjectOf } from "./public-key-object.ts";
import { signLowS } from "./sign-low-s.ts";

/** The private key behind an IPNS name. */
export interface IpnsKey {
  readonly publicKey: PublicKey;
  readonly name: IpnsName;
  readonly privateKey: KeyObject;
  /** Signs as libp2p does for this type of key; what `createRecord` wants. */
  sign(message: Uint8Array): Uint8Array;
}

const TYPE_NUMBERS = { RSA: 0, Ed25519: 1, Secp256k1: 2, ECDSA: 3 } as const satisfies Record<
  KeyType,
  number
>;

const PKCS8_PREFIX_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const SEC1_PREFIX_SECP256K1 = Buffer.from("302e0201010420", "hex");
const SEC1_SUFFIX_SECP256K1 = Buffer.from("a00706052b8104000a", "hex");

export function generateIpnsKey(type: KeyType = "Ed25519"): IpnsKey {
  return ipnsKeyOf(type, generatePrivateKey(type));
}

/**
 * The libp2p `PrivateKey` protobuf, what `ipfs key export --format=libp2p-protobuf-cleartext` gives. Holds the secret in clear.
 *
 * @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md#keys
 */
export function encodeIpnsKey(key: IpnsKey): Uint8Array {
  const raw = rawPrivateKeyOf(key);
  const length = raw.length < 0x80 ? [raw.length] : [(raw.length & 0x7f) | 0x80, raw.length >> 7];
  return new Uint8Array([0x08, TYPE_NUMBERS[key.publicKey.type], 0x12, ...length, ...raw]);
}

/** @throws HoldfastError `INVALID_ARGUMENT` when the bytes are not such a protobuf, or its halves do not belong together. */
export function decodeIpnsKey(bytes: Uint8Array): IpnsKey {
  const { type, raw } = readPrivateKeyProtobuf(bytes);
  try {
    return ipnsKeyOf(type, importRawPrivateKey(type, raw));
  } catch (err) {
    throw invalidKey(`not a ${type} private key`, err);
  }
}

/** PKCS#8 PEM, what `ipfs key export --format=pem-pkcs8-cleartext` gives. Holds the secret in clear. */
export function encodeIpnsKeyPem(key: IpnsKey): string {
  return key.privateKey.export({ format: "pem", type: "pkcs8" }).toString();
}

/** @throws HoldfastError `INVALID_ARGUMENT` when the text is not a private key of a type that IPNS names can have. */
export function decodeIpnsKeyPem(pem: string): IpnsKey {
  try {
    const privateKey = createPrivateKey(pem);
    return ipnsKeyOf(keyTypeOf(privateKey), privateKey);
  } catch (err) {
    throw invalidKey("not a PEM private key", err);
  }
}

function ipnsKeyOf(type: KeyType, privateKey: KeyObject): IpnsKey {
  const publicKey = encodePublicKey(type, rawPublicKeyOf(type, createPublicKey(privateKey)));
  if (publicKeyObjectOf(publicKey) === undefined)
    throw invalidKey("this kind of key is not allowed for IPNS");
  return {
    publicKey,
    name: ipnsNameOfPublicKey(publicKey),
    privateKey,
    sign(message) {
      if (type === "Secp256k1") return signLowS(message, privateKey);
      return new Uint8Array(sign(type === "Ed25519" ? null : "sha256", message, privateKey));
    },
  };
}

function generatePrivateKey(type: KeyType): KeyObject {
  switch (type) {
    case "Ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "RSA":
      return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    case "Secp256k1":
      return generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
    case "ECDSA":
      return generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
  }
}

function keyTypeOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): KeyType {
  if (asymmetricKeyType === "ed25519") return "Ed25519";
  if (asymmetricKeyType === "rsa") return "RSA";
  if (asymmetricKeyType !== "ec") throw invalidKey("this kind of key is not allowed for IPNS");
  return asymmetricKeyDetails?.namedCurve === "secp256k1" ? "Secp256k1" : "ECDSA";
}

function rawPublicKeyOf(type: KeyType, key: KeyObject): Uint8Array {
  const spki = new Uint8Array(key.export({ format: "der", type: "spki" }));
  switch (type) {
    case "Ed25519":
      return spki.subarray(-32);
    case "Secp256k1":
      return compressPoint(spki.subarray(-65));
    case "RSA":
    case "ECDSA":
      return spki;
  }
}

function compressPoint(point: Uint8Array): Uint8Array {
  const parity = (point.at(-1) ?? 0) & 1;
  return new Uint8Array([0x02 | parity, ...point.subarray(1, 33)]);
}

function rawPrivateKeyOf(key: IpnsKey): Uint8Array {
  switch (key.publicKey.type) {
    case "Ed25519":
      return Buffer.concat([secretOf(key.privateKey), key.publicKey.raw]);
    case "Secp256k1":
      return secretOf(key.privateKey);
    case "RSA":
      return key.privateKey.export({ format: "der", type: "pkcs1" });
    case "ECDSA":
      return key.privateKey.export({ format: "der", type: "sec1" });
  }
}

function secretOf(key: KeyObject): Uint8Array {
  const jwk: JsonWebKey = key.export({ format: "jwk" });
  return Buffer.from(jwk.d ?? "", "base64url");
}

function importRawPrivateKey(type: KeyType, raw: Uint8Array): KeyObject {
  switch (type) {
    case "Ed25519":
      return importEd25519(raw);
    case "Secp256k1":
      if (raw.length !== 32) throw invalidKey("a Secp256k1 private key has 32 bytes");
      return importDer("sec1", Buffer.concat([SEC1_PREFIX_SECP256K1, raw, SEC1_SUFFIX_SECP256K1]));
    case "RSA":
      return importDer("pkcs1", Buffer.from(raw));
    case "ECDSA":
      return importDer("sec1", Buffer.from(raw));
  }
}

/** Seed and public key; old exports repeat the public key (96 bytes). */
function importEd25519(raw: Uint8Array): KeyObject {
  if (raw.length !== 64 && raw.length !== 96) throw invalidKey("an Ed25519 private key has 64 bytes");
  const key = importDer("pkcs8", Buffer.concat([PKCS8_PREFIX_ED25519, raw.subarray(0, 32)]));
  const derived = rawPublicKeyOf("Ed25519", createPublicKey(key));
  // Signing with a seed under another key's public half is the known way to leak a seed; refuse such a pair.
  for (let start = 32; start < raw.length; start += 32) {
    if (Buffer.compare(raw.subarray(start, start + 32), derived) !== 0) {
      throw invalidKey("the public half does not belong to the seed");
    }
  }
  return key;
}

function importDer(type: "pkcs1" | "pkcs8" | "sec1", der: Buffer): KeyObject {
  return createPrivateKey({ key: der, format: "der", type });
}

function readPrivateKeyProtobuf(bytes: Uint8Array): { type: KeyType; raw: Uint8Array } {
  const [typeTag, typeNumber, rawTag, lengthLow = 0, lengthHigh = 0] = bytes;
  const type = (Object.keys(TYPE_NUMBERS) as KeyType[]).find((name) => TYPE_NUMBERS[name] === typeNumber);
  const isLong = lengthLow >= 0x80;
  const length = isLong ? (lengthLow & 0x7f) | (lengthHigh << 7) : lengthLow;
  const raw = bytes.subarray(isLong ? 5 : 4);
  if (typeTag !== 0x08 || rawTag !== 0x12 || type === undefined || raw.length !== length || length === 0) {
    throw invalidKey("not a libp2p private key");
  }
  return { type, raw };
}

function invalidKey(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message, cause === undefined ? {} : { cause });
}
