import fc from "fast-check";
import { expect, test } from "vitest";
import { anyCharacter } from "../../test/support/any-character.ts";
import { isHoldfastError } from "../errors.ts";
import { formatContentPath, parseContentPath } from "./path.ts";
import type { ContentPath } from "./path.ts";

test.each([
  ["/ipfs/bafkqaaa", "ipfs", "bafkqaaa", []],
  ["/ipfs/bafkqaaa/", "ipfs", "bafkqaaa", []],
  ["/ipns/docs.ipfs.tech/a/b", "ipns", "docs.ipfs.tech", ["a", "b"]],
  ["/ipfs/bafkqaaa//a//b/", "ipfs", "bafkqaaa", ["a", "b"]],
  ["/ipfs/bafkqaaa/a%20b/%C3%BC+", "ipfs", "bafkqaaa", ["a b", "ü+"]],
  ["/ipfs/bafkqaaa/a%2Fb", "ipfs", "bafkqaaa", ["a", "b"]],
  ["/ipfs/bafkqaaa/%2541", "ipfs", "bafkqaaa", ["%41"]],
  ["/ipfs/bafkqaaa/...", "ipfs", "bafkqaaa", ["..."]],
  ["/ipfs/bafkqaaa/%3F%23", "ipfs", "bafkqaaa", ["?#"]],
])("%s is decoded exactly once", (path, namespace, root, segments) => {
  expect(parseContentPath(path)).toEqual({ namespace, root, segments });
});

test("a path that is not of a URL keeps its percent signs", () => {
  expect(parseContentPath("/ipfs/bafkqaaa/100%/%41", { percentEncoded: false }).segments).toEqual([
    "100%",
    "%41",
  ]);
});

test.each([
  ["nothing", ""],
  ["no slash in front", "ipfs/bafkqaaa"],
  ["no root", "/ipfs/"],
  ["no root and no slash", "/ipfs"],
  ["an empty root", "/ipfs//a"],
  ["another namespace", "/ipld/bafkqaaa"],
  ["a namespace in capitals", "/IPFS/bafkqaaa"],
  ["a malformed escape", "/ipfs/bafkqaaa/%zz"],
  ["an escape cut short", "/ipfs/bafkqaaa/%2"],
  ["an escape that is not UTF-8", "/ipfs/bafkqaaa/%ff"],
  ["two dots", "/ipfs/bafkqaaa/../bafkqaab"],
  ["two dots, escaped", "/ipfs/bafkqaaa/%2e%2E/x"],
  ["two dots behind an escaped slash", "/ipfs/bafkqaaa/a%2f..%2fb"],
  ["one dot", "/ipfs/bafkqaaa/./x"],
  ["a root of two dots", "/ipfs/../ipns/x"],
  ["half a character", "/ipfs/bafkqaaa/\ud800"],
  ["16,385 characters", `/ipfs/${"a".repeat(16_385 - 6)}`],
])("refuses %s", (_, path) => {
  for (const percentEncoded of path.includes("%") ? [true] : [true, false]) {
    expect(() => parseContentPath(path, { percentEncoded })).toThrow(
      expect.objectContaining({ code: "INVALID_PATH" }),
    );
  }
});

test("16,384 characters are accepted", () => {
  expect(parseContentPath(`/ipfs/${"a".repeat(16_384 - 6)}`).root).toHaveLength(16_378);
});

test("whatever the text, the segments are harmless or the path is refused, and it is written back the same", () => {
  const text = fc
    .array(fc.constantFrom("/", "ipfs", "ipns", ".", "..", "%2e", "%2F", "%", "a", "ü", "\0", "%00", "%25"), {
      maxLength: 12,
    })
    .map((parts) => `/ip${parts.length % 2 === 0 ? "f" : "n"}s/${parts.join("")}`);
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: anyCharacter })), (path) => {
      const parsed = parsedOrUndefined(path);
      if (parsed === undefined) return;
      accepted++;
      const parts = [parsed.root, ...parsed.segments];
      expect(parts.filter((part) => ["", ".", ".."].includes(part) || part.includes("/"))).toEqual([]);
      expect(parseContentPath(formatContentPath(parsed))).toEqual(parsed);
    }),
    { numRuns: 2_000, seed: 5 },
  );
  expect(accepted).toBeGreaterThan(100);
});

function parsedOrUndefined(path: string): ContentPath | undefined {
  try {
    return parseContentPath(path);
  } catch (err) {
    if (!isHoldfastError(err) || err.code !== "INVALID_PATH") throw err;
    return undefined;
  }
}
