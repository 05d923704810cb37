import { HoldfastError } from "../errors.ts";

/**
 * A Nostr key as people write it: `npub1…` or `nsec1…` (NIP-19), or 64 hex digits.
 *
 * @returns 64 lower-case hex digits.
 * @throws HoldfastError `INVALID_ARGUMENT`. The message never repeats the text: it may be a secret.
 * @see https://github.com/nostr-protocol/nips/blob/master/19.md
 */
export function parseNostrKey(text: string, prefix: "npub" | "nsec"): string {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  const bytes = decodeBech32(text, prefix);
  if (bytes?.length !== 32) {
    throw new HoldfastError("INVALID_ARGUMENT", `neither 64 hex digits nor ${prefix}1…`);
  }
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/** A prefix of four letters, the separator, 52 digits and a checksum of six. */
const KEY_LENGTH = 63;

function decodeBech32(text: string, prefix: string): number[] | undefined {
  const lower = text.toLowerCase();
  const isOneCase = text === lower || text === text.toUpperCase();
  if (!isOneCase || text.length !== KEY_LENGTH || !lower.startsWith(`${prefix}1`)) return undefined;
  const digits = Array.from(lower.slice(prefix.length + 1), (digit) => ALPHABET.indexOf(digit));
  if (digits.includes(-1) || checksumOf([...expandPrefix(prefix), ...digits]) !== 1) return undefined;
  return bytesOf(digits.slice(0, -6));
}

function expandPrefix(prefix: string): number[] {
  const codes = Array.from(prefix, (letter) => letter.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

/** @see https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki#bech32 */
function checksumOf(values: readonly number[]): number {
  const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  let checksum = 1;
  for (const value of values) {
    const top = checksum >>> 25;
    checksum = ((checksum & 0x1ffffff) << 5) ^ value;
    for (const [bit, term] of generator.entries()) {
      if (((top >>> bit) & 1) === 1) checksum ^= term;
    }
  }
  return checksum;
}

/** Groups of five bits become bytes; what is left over has to be zero. */
function bytesOf(digits: readonly number[]): number[] | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let bitCount = 0;
  for (const digit of digits) {
    bits = (bits << 5) | digit;
    bitCount += 5;
    if (bitCount >= 8) {
      bitCount -= 8;
      bytes.push(bits >> bitCount);
      bits &= (1 << bitCount) - 1;
    }
  }
  return bitCount < 5 && bits === 0 ? bytes : undefined;
}
