const C1 = 0x87c3_7b91_1142_53d5n;
const C2 = 0x4cf5_ad43_2745_937fn;
const MASK = 0xffff_ffff_ffff_ffffn;

/**
 * The first half of MurmurHash3 x64-128 with seed 0: where a name belongs in a sharded directory. Not a cryptographic hash.
 *
 * @see https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
 */
export function murmur3(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocksEnd = bytes.byteLength - (bytes.byteLength % 16);
  let h1 = 0n;
  let h2 = 0n;
  for (let at = 0; at < blocksEnd; at += 16) {
    h1 ^= mixed1(view.getBigUint64(at, true));
    h1 = (((rotated(h1, 27n) + h2) & MASK) * 5n + 0x52dc_e729n) & MASK;
    h2 ^= mixed2(view.getBigUint64(at + 8, true));
    h2 = (((rotated(h2, 31n) + h1) & MASK) * 5n + 0x3849_5ab5n) & MASK;
  }
  h1 ^= mixed1(tailAt(bytes, blocksEnd));
  h2 ^= mixed2(tailAt(bytes, blocksEnd + 8));
  const length = BigInt(bytes.byteLength);
  h1 ^= length;
  h2 ^= length;
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  return (finished(h1) + finished(h2)) & MASK;
}

/** Up to eight bytes as a little-endian number; 0 behind the end. */
function tailAt(bytes: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let i = Math.min(at + 8, bytes.byteLength) - 1; i >= at; i--)
    value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

function mixed1(k: bigint): bigint {
  return (rotated((k * C1) & MASK, 31n) * C2) & MASK;
}

function mixed2(k: bigint): bigint {
  return (rotated((k * C2) & MASK, 33n) * C1) & MASK;
}

function rotated(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK;
}

function finished(hash: bigint): bigint {
  let k = hash;
  k ^= k >> 33n;
  k = (k * 0xff51_afd7_ed55_8ccdn) & MASK;
  k ^= k >> 33n;
  k = (k * 0xc4ce_b9fe_1a85_ec53n) & MASK;
  return k ^ (k >> 33n);
}
