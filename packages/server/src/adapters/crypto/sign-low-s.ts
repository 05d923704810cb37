import { type KeyObject, sign } from "node:crypto";

const ORDER_SECP256K1 = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;

/**
 * A DER-encoded ECDSA signature over SHA-256 with S in the lower half of the order. OpenSSL gives either half;
 * js-libp2p accepts the lower one only.
 */
export function signLowS(message: Uint8Array, privateKey: KeyObject): Uint8Array {
  const flat = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const r = bigintOf(flat.subarray(0, 32));
  const s = bigintOf(flat.subarray(32));
  const content = [...derInteger(r), ...derInteger(s > ORDER_SECP256K1 / 2n ? ORDER_SECP256K1 - s : s)];
  return new Uint8Array([0x30, content.length, ...content]);
}

function bigintOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** Shortest form; a leading zero keeps the number positive. */
function derInteger(value: bigint): number[] {
  const digits = value.toString(16);
  const bytes = [...Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex")];
  if ((bytes[0] ?? 0) >= 0x80) bytes.unshift(0);
  return [0x02, bytes.length, ...bytes];
}
