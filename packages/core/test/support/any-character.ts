import fc from "fast-check";

const SURROGATES_START = 0xd800;
const SURROGATES_COUNT = 0x800;

/**
 * A unit of `fc.string`: any character of Unicode, as its own unit "binary", which first makes a table of all million of them.
 * That takes a second of a core and 100 MB, in every file that uses it.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .integer({ min: 0, max: 0x10_ffff - SURROGATES_COUNT })
  .map(characterOf, indexOf);

function characterOf(index: number): string {
  return String.fromCodePoint(index < SURROGATES_START ? index : index + SURROGATES_COUNT);
}

/** The other way: with it fast-check also tries words such as `__proto__`. */
function indexOf(character: unknown): number {
  const code = typeof character === "string" ? character.codePointAt(0) : undefined;
  if (code === undefined || character !== String.fromCodePoint(code)) throw new Error("not one character");
  return code < SURROGATES_START ? code : code - SURROGATES_COUNT;
}
