import { type KeyObject, verify } from "node:crypto";
import type { PublicKey } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import { publicKeyObjectOf } from "./public-key-object.ts";

/** Importing a key costs as much as 20–50 µs; owners publish again with the same key. */
const KEYS_MAX = 1024;
const NOT_A_KEY = Symbol("not a key");
const importedKeys = new LRUCache<string, KeyObject | typeof NOT_A_KEY>({ max: KEYS_MAX });

/**
 * Checks a libp2p signature, at once and on the calling thread (about 0.12 ms for Ed25519).
 *
 * Ed25519: pure. RSA: PKCS#1 v1.5 with SHA-256. Secp256k1 and ECDSA: DER signature over SHA-256, high S allowed as in Go.
 *
 * @returns false for a malformed key or signature as well. Never throws.
 * @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md#key-types
 */
export function verifySignature(
  publicKey: Pick<PublicKey, "type" | "raw">,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = importedKeyOf(publicKey);
  if (key === undefined) return false;
  try {
    return verify(publicKey.type === "Ed25519" ? null : "sha256", message, key, signature);
  } catch {
    // Some malformed signatures make OpenSSL throw instead of answering false. Both mean: not signed by this key.
    return false;
  }
}

function importedKeyOf(publicKey: Pick<PublicKey, "type" | "raw">): KeyObject | undefined {
  const id = `${publicKey.type}:${Buffer.from(publicKey.raw).toString("latin1")}`;
  let key = importedKeys.get(id);
  if (key === undefined) {
    key = publicKeyObjectOf(publicKey) ?? NOT_A_KEY;
    importedKeys.set(id, key);
  }
  return key === NOT_A_KEY ? undefined : key;
}
