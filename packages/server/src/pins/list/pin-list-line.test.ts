import { isHoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { anyCharacter } from "../../../../core/test/support/any-character.ts";
import { parsePinListLine } from "./pin-list-line.ts";

const CID_V1 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
const CID_V0 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";
const NAME = "k51qzi5uqu5dmjjgoe7s21dncepi970722cn30qlhm9qridas1c9ktkjb6ejux";
const PEER_ID = "12D3KooWGC6TvWhfajpX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5f";

const root = (line: string): string | undefined => {
  const parsed = parsePinListLine(line);
  return parsed.kind === "root" ? parsed.root.toString() : undefined;
};
const name = (line: string): string | undefined => {
  const parsed = parsePinListLine(line);
  return parsed.kind === "name" ? parsed.name.text : undefined;
};

test("PIN_LIST: a CID, or a path, with spaces around it and comments", () => {
  for (const line of [
    CID_V1,
    `  ${CID_V1}\r`,
    `/ipfs/${CID_V1}`,
    `/ipfs/${CID_V1}/a b/100%`,
    `${CID_V1} # ours`,
  ])
    expect(root(line)).toBe(CID_V1);
  expect(root(CID_V0)).toBe(CID_V0);
  expect(root("bafkqaaa")).toBe("bafkqaaa");
});

test("a name is to be followed, in every spelling", () => {
  for (const line of [NAME, `/ipns/${NAME}`, `/ipns/${NAME}/docs`, `${NAME}\t# a site`])
    expect(name(line)).toBe(NAME);
  expect(name(PEER_ID)).toMatch(/^k51/);
  expect(name(`/ipns/${PEER_ID}`)).toBe(name(PEER_ID));
});

test("blank lines and comments say nothing", () => {
  for (const line of ["", "   ", "\r", "# a comment", `  # ${CID_V1}`, "#"])
    expect(parsePinListLine(line)).toEqual({ kind: "blank" });
});

test("everything else is refused: half a CID, two on a line, domains, other paths", () => {
  const bad = [
    CID_V1.slice(0, 30),
    CID_V1.slice(0, -1),
    `${CID_V1} ${CID_V1}`,
    "/ipns/en.wikipedia-on-ipfs.org",
    "/ipld/x",
    "/ipfs/",
    "https://example.com",
    "undefined",
  ];
  for (const line of bad) expect(() => parsePinListLine(line)).toThrow(/name|CID|path/);
});

test("any other text is refused with our own error, never with something else", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: anyCharacter }),
    fc
      .tuple(fc.constantFrom("/ipfs/", "/ipns/", "bafy", "Qm", "k51"), fc.string())
      .map((parts) => parts.join("")),
    fc.nat(CID_V1.length).map((length) => CID_V1.slice(0, length)),
  );
  fc.assert(
    fc.property(text, (line) => {
      let outcome: unknown;
      try {
        outcome = parsePinListLine(line).kind;
      } catch (err) {
        outcome = isHoldfastError(err) ? "refused" : err;
      }
      expect(["blank", "root", "name", "refused"]).toContain(outcome);
    }),
    { seed: 4, numRuns: 5_000 },
  );
});
