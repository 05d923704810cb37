import { isHoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { validateHeaderValue } from "node:http";
import { expect, test } from "vitest";
import { anyCharacter } from "../../../core/test/support/any-character.ts";
import { displayPath, locationText, parseRequestPath } from "./request-path.ts";

test("is decoded exactly once, while the URL stays as it was", () => {
  const path = parseRequestPath("/ipfs/bafkqaaa/Portugal%252C+a%c3%bc/?b=%2F");
  expect(path.segments).toEqual(["Portugal%2C+aü"]);
  expect(path.encoded).toBe("/ipfs/bafkqaaa/Portugal%252C+a%C3%BC/");
  expect(path.queryText).toBe("?b=%2F");
  expect(displayPath(path)).toBe("/ipfs/bafkqaaa/Portugal%2C+aü/");
});

test("UTF-8 that was not escaped means the same as when it was", () => {
  const raw = Buffer.from("/ipfs/bafkqaaa/España", "utf8").toString("latin1");
  expect(parseRequestPath(raw)).toMatchObject({
    segments: ["España"],
    encoded: "/ipfs/bafkqaaa/Espa%C3%B1a",
  });
});

test("a location never names another host and is always a header value", () => {
  expect(locationText("//evil.example/x")).toBe("/evil.example/x");
  expect(locationText('/a b\r\n"ü')).toBe("/a%20b%0D%0A%22%C3%BC");
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (text) => {
      const location = locationText(`/${text}`);
      expect(location.startsWith("//")).toBe(false);
      expect(() => validateHeaderValue("location", location)).not.toThrow();
    }),
    { numRuns: 1000, seed: 2 },
  );
});

test("whatever the target, it is a path or INVALID_PATH", () => {
  const part = fc.constantFrom("/", "ipfs", "ipns", "?", "%", "%2f", "%00", "..", "a", "\xff", "#");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      expect(outcome(`/${parts.join("")}`)).toMatch(/^(?:path|INVALID_PATH)$/);
    }),
    { numRuns: 2000, seed: 9 },
  );
});

function outcome(target: string): string {
  try {
    parseRequestPath(target);
    return "path";
  } catch (err) {
    return isHoldfastError(err) ? err.code : String(err);
  }
}
