import fc from "fast-check";
import { decode, npubEncode, nsecEncode } from "nostr-tools/nip19";
import { expect, test } from "vitest";
import { isHoldfastError } from "../errors.ts";
import { parseNostrKey } from "./bech32.ts";

/** The examples of NIP-19. */
const HEX = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";
const NPUB = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
const NSEC_HEX = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
const NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function refusal(text: string, prefix: "npub" | "nsec"): string {
  try {
    return parseNostrKey(text, prefix);
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    return text.length > 20 && err.message.includes(text) ? "REPEATED" : err.code;
  }
}

test("the examples of NIP-19 are read, in either case", () => {
  expect(parseNostrKey(NPUB, "npub")).toBe(HEX);
  expect(parseNostrKey(NPUB.toUpperCase(), "npub")).toBe(HEX);
  expect(parseNostrKey(NSEC, "nsec")).toBe(NSEC_HEX);
  expect(parseNostrKey(HEX.toUpperCase(), "npub")).toBe(HEX);
});

test("every key that another library writes is read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      expect(parseNostrKey(npubEncode(hexOf(key)), "npub")).toBe(hexOf(key));
      expect(parseNostrKey(nsecEncode(key), "nsec")).toBe(hexOf(key));
    }),
    { seed: 20_261_126 },
  );
});

test.each([
  ["", "npub"],
  ["npub1", "npub"],
  [NSEC, "npub"],
  [NPUB, "nsec"],
  [`${NPUB}q`, "npub"],
  [NPUB.replace("e", "E"), "npub"],
  [HEX.slice(1), "npub"],
  ["z".repeat(64), "npub"],
] as const)("%j is no %s, and the message does not repeat it", (text, prefix) => {
  expect(refusal(text, prefix)).toBe("INVALID_ARGUMENT");
});

test("one wrong letter is noticed", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 5, max: 62 }),
      fc.constantFrom(...Array.from("qpzry9x8gf2tvdw0s3jn54khce6mua7l")),
      (at, letter) => {
        fc.pre(NPUB[at] !== letter);
        const changed = NPUB.slice(0, at) + letter + NPUB.slice(at + 1);
        expect(refusal(changed, "npub")).toBe("INVALID_ARGUMENT");
      },
    ),
    { seed: 20_261_126 },
  );
});

test("any text is a key for us exactly when it is one for another library", () => {
  const nearly = fc.stringMatching(/^npub1[02-9ac-hj-np-z]{58}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearly), (text) => {
      fc.pre(!/^[0-9a-f]{64}$/i.test(text));
      expect(refusal(text, "npub") !== "INVALID_ARGUMENT").toBe(isNpub(text));
    }),
    { seed: 20_261_126 },
  );
});

function isNpub(text: string): boolean {
  try {
    return text.length === 63 && decode(text).type === "npub";
  } catch {
    return false;
  }
}
