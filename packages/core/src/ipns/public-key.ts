import { HoldfastError } from "../errors.ts";
import { ProtobufError, ProtobufReader, ProtobufWriter } from "./protobuf.ts";

export type KeyType = "RSA" | "Ed25519" | "Secp256k1" | "ECDSA";

export interface PublicKey {
  readonly type: KeyType;
  /** Ed25519: 32 bytes. Secp256k1: the compressed point, 33 bytes. RSA and ECDSA: a DER SubjectPublicKeyInfo. */
  readonly raw: Uint8Array;
  /** The libp2p `PublicKey` message `{1: type, 2: raw}`: what a name hashes or inlines. */
  readonly protobuf: Uint8Array;
}

const KEY_TYPES: readonly KeyType[] = ["RSA", "Ed25519", "Secp256k1", "ECDSA"];
const TAG_TYPE = 0x08;
const TAG_DATA = 0x12;

/**
 * Decodes a libp2p `PublicKey`. Only the deterministic encoding is a key: type, then data, nothing else; otherwise
 * one key would have many names. The key material is checked for size and shape, not for being a point on its curve:
 * that is the signature check's work.
 *
 * @throws HoldfastError `INVALID_ARGUMENT`
 * @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md#keys
 */
export function decodePublicKey(protobuf: Uint8Array): PublicKey {
  try {
    const reader = new ProtobufReader(protobuf);
    if (reader.readTag() !== TAG_TYPE) throw new ProtobufError("the key type does not come first");
    const type = KEY_TYPES[Number(reader.readVarint())];
    if (type === undefined) throw new ProtobufError("the key type is unknown");
    if (reader.readTag() !== TAG_DATA) throw new ProtobufError("the key data does not follow its type");
    const raw = protobuf.subarray(reader.skipBytes(), reader.position);
    if (!reader.done) throw new ProtobufError("something follows the key");
    assertKeyMaterial(type, raw);
    return { type, raw, protobuf };
  } catch (err) {
    if (!(err instanceof ProtobufError)) throw err;
    throw new HoldfastError("INVALID_ARGUMENT", `not a libp2p public key: ${err.message}`, { cause: err });
  }
}

/** @throws HoldfastError `INVALID_ARGUMENT` when `raw` cannot be a key of that type. */
export function encodePublicKey(type: KeyType, raw: Uint8Array): PublicKey {
  const protobuf = new ProtobufWriter()
    .varintField(1, BigInt(KEY_TYPES.indexOf(type)))
    .bytesField(2, raw)
    .finish();
  return decodePublicKey(protobuf);
}

function assertKeyMaterial(type: KeyType, raw: Uint8Array): void {
  switch (type) {
    case "Ed25519":
      if (raw.length !== 32) throw new ProtobufError("an Ed25519 key has 32 bytes");
      return;
    case "Secp256k1":
      if (raw.length !== 33 || (raw[0] !== 2 && raw[0] !== 3)) {
        throw new ProtobufError("a secp256k1 key is a compressed point of 33 bytes");
      }
      return;
    case "ECDSA":
      // A P-521 key has 158 bytes. Longer ones spell out curve parameters of their own, which no peer accepts.
      if (raw.length < 60 || raw.length > 200 || raw[0] !== 0x30) {
        throw new ProtobufError("an ECDSA key is the DER of a key on a named curve");
      }
      return;
    case "RSA":
      assertRsaKey(raw);
      return;
  }
}

/** The algorithm identifier `rsaEncryption` with NULL parameters, as DER. */
const RSA_ALGORITHM = Uint8Array.of(0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0);
const RSA_MODULUS_BYTES_MIN = 2048 / 8;
const RSA_MODULUS_BYTES_MAX = 8192 / 8;

/**
 * Go's limits: 2,048 to 8,192 bits and an exponent below 2³¹. A large exponent is legal RSA, but makes one check as
 * dear as a private operation: anyone could make a name whose records cost us milliseconds each.
 */
function assertRsaKey(der: Uint8Array): void {
  let at = 0;
  const enter = (tag: number): number => {
    if (der[at] !== tag) throw new ProtobufError("an RSA key is a DER SubjectPublicKeyInfo");
    const first = der[at + 1] ?? 0;
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (lengthBytes > 2) throw new ProtobufError("the RSA key is too long");
    let length = lengthBytes === 0 ? first : 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + (der[at + 2 + i] ?? 0);
    at += 2 + lengthBytes;
    if (at + length > der.length) throw new ProtobufError("the RSA key is cut off");
    return length;
  };
  enter(0x30);
  if (RSA_ALGORITHM.some((byte, i) => der[at + i] !== byte))
    throw new ProtobufError("the key is not an RSA key");
  at += RSA_ALGORITHM.length;
  enter(0x03);
  at += 1;
  enter(0x30);
  const modulusBytes = enter(0x02);
  // One more byte when the top bit is set, so that the number is positive.
  const significantBytes = der[at] === 0 ? modulusBytes - 1 : modulusBytes;
  if (significantBytes < RSA_MODULUS_BYTES_MIN || significantBytes > RSA_MODULUS_BYTES_MAX) {
    throw new ProtobufError("an RSA key has 2,048 to 8,192 bits");
  }
  at += modulusBytes;
  const exponentBytes = enter(0x02);
  if (exponentBytes > 4) throw new ProtobufError("the RSA exponent is too large");
  if (at + exponentBytes !== der.length) throw new ProtobufError("something follows the RSA key");
}
