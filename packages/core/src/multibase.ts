import { base2 } from "multiformats/bases/base2";
import { base8 } from "multiformats/bases/base8";
import { base10 } from "multiformats/bases/base10";
import { base16 } from "multiformats/bases/base16";
import { base32, base32hex, base32hexpad, base32pad, base32z } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { base58btc, base58flickr } from "multiformats/bases/base58";
import { base64, base64pad, base64url, base64urlpad } from "multiformats/bases/base64";
import { base256emoji } from "multiformats/bases/base256emoji";

interface Base {
  baseEncode(bytes: Uint8Array): string;
  baseDecode(text: string): Uint8Array;
}

interface Multibase {
  readonly base: Base;
  readonly ignoresCase: boolean;
  /** The base is not a power of two: decoding costs the square of the length. */
  readonly quadratic: boolean;
}

/** 2 kB identity digests fit; nothing real is longer. */
const LINEAR_LENGTH_MAX = 4_096;
/** Decoding this much takes a fraction of a millisecond; a 128-byte identity digest needs 320 digits of base 10. */
const QUADRATIC_LENGTH_MAX = 512;

const CASELESS = { ignoresCase: true, quadratic: false };
const CASED = { ignoresCase: false, quadratic: false };
const CASED_QUADRATIC = { ignoresCase: false, quadratic: true };
const BASE36: Multibase = { base: base36, ignoresCase: true, quadratic: true };
const BASE58: Multibase = { base: base58btc, ...CASED_QUADRATIC };

const MULTIBASES = new Map<string, Multibase>([
  ["k", BASE36],
  ["K", BASE36],
  ["z", BASE58],
  ["Z", { base: base58flickr, ...CASED_QUADRATIC }],
  ["9", { base: base10, ...CASED_QUADRATIC }],
  ["b", { base: base32, ...CASELESS }],
  ["B", { base: base32, ...CASELESS }],
  ["c", { base: base32pad, ...CASELESS }],
  ["C", { base: base32pad, ...CASELESS }],
  ["v", { base: base32hex, ...CASELESS }],
  ["V", { base: base32hex, ...CASELESS }],
  ["t", { base: base32hexpad, ...CASELESS }],
  ["T", { base: base32hexpad, ...CASELESS }],
  ["f", { base: base16, ...CASELESS }],
  ["F", { base: base16, ...CASELESS }],
  ["h", { base: base32z, ...CASED }],
  ["0", { base: base2, ...CASED }],
  ["7", { base: base8, ...CASED }],
  ["m", { base: base64, ...CASED }],
  ["M", { base: base64pad, ...CASED }],
  ["u", { base: base64url, ...CASED }],
  ["U", { base: base64urlpad, ...CASED }],
  ["🚀", { base: base256emoji, ...CASED }],
]);

/**
 * Decodes a multibase text. Bases with one case of letters are read in either case, as the multibase table says
 * (a browser lower-cases host names, DNS tools upper-case them).
 *
 * @param quadraticLengthMax how many digits can be real in a base whose decoding costs the square of the length.
 * @returns `undefined` if the prefix is unknown, the text is too long to be anything real, or it is not the one
 *   canonical text of its bytes. Never throws; bounded in time whatever the text.
 * @see https://github.com/multiformats/multibase#multibase-table
 */
export function decodeMultibase(
  text: string,
  quadraticLengthMax: number = QUADRATIC_LENGTH_MAX,
): Uint8Array | undefined {
  const prefix = String.fromCodePoint(text.codePointAt(0) ?? 0);
  const multibase = MULTIBASES.get(prefix);
  if (multibase === undefined) return undefined;
  return decodeDigits(
    multibase,
    text.slice(prefix.length),
    multibase.quadratic ? quadraticLengthMax : LINEAR_LENGTH_MAX,
  );
}

/** Decodes base58btc without a multibase prefix, as in `12D3KooW…` and `Qm…`; the longest of them have 64 digits. */
export function decodeBase58(digits: string): Uint8Array | undefined {
  return decodeDigits(BASE58, digits, 128);
}

function decodeDigits(multibase: Multibase, given: string, lengthMax: number): Uint8Array | undefined {
  const { base, ignoresCase, quadratic } = multibase;
  if (given.length === 0 || given.length > lengthMax) return undefined;
  // Lower-casing would turn a Kelvin sign into a k, and multiformats takes letters outside Latin-1 for zeros.
  if (base !== base256emoji && !PRINTABLE_ASCII.test(given)) return undefined;
  const digits = ignoresCase ? given.toLowerCase() : given;
  try {
    const bytes = base.baseDecode(digits);
    // multiformats tolerates padding where there is none. It cannot happen in the bases that are slow to encode.
    return quadratic || base.baseEncode(bytes) === digits ? bytes : undefined;
  } catch {
    // Whatever was wrong, the text is not of this base.
    return undefined;
  }
}

const PRINTABLE_ASCII = /^[\x21-\x7e]+$/u;
