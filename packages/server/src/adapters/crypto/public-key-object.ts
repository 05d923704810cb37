import { createPublicKey, type KeyObject } from "node:crypto";
import type { PublicKey } from "@holdfast/core";

const SPKI_PREFIX_ED25519 = Buffer.from("302a300506032b6570032100", "hex");
/** OpenSSL accepts a compressed point in a SubjectPublicKeyInfo, so nothing has to be decompressed here. */
const SPKI_PREFIX_SECP256K1 = Buffer.from("3036301006072a8648ce3d020106052b8104000a032200", "hex");

/** The bounds of go-libp2p: smaller keys are weak, larger ones make a check expensive. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;
/** Go's crypto/rsa refuses larger exponents; one as long as the modulus would cost 1,000 times a normal check. */
const RSA_EXPONENT_MAX = 2n ** 31n - 1n;
/**
 * What Go's crypto/x509 can parse, in OpenSSL's words, with the length of the key in the only form that Go reads: the curve by
 * its name and the point uncompressed. OpenSSL also takes spelled-out curve parameters, under which anyone can sign.
 */
const ECDSA_SPKI_BYTES = new Map([
  ["secp224r1", 80],
  ["prime256v1", 91],
  ["secp384r1", 120],
  ["secp521r1", 158],
]);

/**
 * Makes the node:crypto key of a libp2p public key.
 *
 * @returns `undefined` when the bytes are not a key that go-libp2p would accept. Never throws.
 * @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md#key-types
 */
export function publicKeyObjectOf(publicKey: Pick<PublicKey, "type" | "raw">): KeyObject | undefined {
  try {
    switch (publicKey.type) {
      case "Ed25519":
        return publicKey.raw.length === 32 ? importSpki(SPKI_PREFIX_ED25519, publicKey.raw) : undefined;
      case "Secp256k1":
        return publicKey.raw.length === 33 ? importSpki(SPKI_PREFIX_SECP256K1, publicKey.raw) : undefined;
      case "RSA":
        return rsaKeyOf(publicKey.raw);
      case "ECDSA":
        return ecdsaKeyOf(publicKey.raw);
    }
  } catch {
    // OpenSSL throws for bytes that are not a key: an expected outcome here, since anyone may send them.
    return undefined;
  }
}

function importSpki(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: "der", type: "spki" });
}

function rsaKeyOf(spki: Uint8Array): KeyObject | undefined {
  const key = importCanonicalSpki(spki);
  if (key?.asymmetricKeyType !== "rsa") return undefined;
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const allowed =
    modulusLength >= RSA_BITS_MIN &&
    modulusLength <= RSA_BITS_MAX &&
    publicExponent >= 2n &&
    publicExponent <= RSA_EXPONENT_MAX;
  return allowed ? key : undefined;
}

function ecdsaKeyOf(spki: Uint8Array): KeyObject | undefined {
  const key = importCanonicalSpki(spki);
  if (key?.asymmetricKeyType !== "ec") return undefined;
  return ECDSA_SPKI_BYTES.get(key.asymmetricKeyDetails?.namedCurve ?? "") === spki.length ? key : undefined;
}

/** OpenSSL ignores bytes after the key and reads BER; Go refuses both, and a name is the hash of these very bytes. */
function importCanonicalSpki(spki: Uint8Array): KeyObject | undefined {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  return key.export({ format: "der", type: "spki" }).equals(spki) ? key : undefined;
}
