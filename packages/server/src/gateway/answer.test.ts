import fc from "fast-check";
import { validateHeaderValue } from "node:http";
import { expect, test } from "vitest";
import { anyCharacter } from "../../../core/test/support/any-character.ts";
import { contentDisposition, headerText } from "./answer.ts";

test("text becomes a header value of its UTF-8 bytes, without control characters", () => {
  expect(Buffer.from(headerText("/ipfs/x/ą b%"), "latin1").toString("utf8")).toBe("/ipfs/x/ą b%");
  expect(headerText("a\r\nSet-Cookie: b\u0000")).toBe("a%0D%0ASet-Cookie: b%00");
});

test("a filename is given twice: in ASCII and exactly", () => {
  expect(contentDisposition("inline", 'te"s\\t тест.jpg')).toBe(
    `inline; filename="te_s_t ____.jpg"; filename*=UTF-8''te%22s%5Ct%20%D1%82%D0%B5%D1%81%D1%82.jpg`,
  );
  expect(contentDisposition("attachment", "a'(b)*")).toContain("UTF-8''a%27%28b%29%2A");
});

test("no text makes an invalid header", () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (text) => {
      expect(() => validateHeaderValue("x", headerText(text))).not.toThrow();
      expect(() => validateHeaderValue("x", contentDisposition("inline", text))).not.toThrow();
    }),
    { numRuns: 200, seed: 1 },
  );
});
