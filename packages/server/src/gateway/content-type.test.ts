import fc from "fast-check";
import { expect, test } from "vitest";
import { SNIFF_BYTES, sniffType, typeOfName } from "./content-type.ts";

test.for([
  ["index.html", "text/html"],
  ["INDEX.HTM", "text/html"],
  ["a.b.css", "text/css; charset=utf-8"],
  ["x.js", "text/javascript; charset=utf-8"],
  ["x.mjs", "text/javascript; charset=utf-8"],
  ["x.svg", "image/svg+xml"],
  ["x.json", "application/json"],
  ["x.wasm", "application/wasm"],
  ["text.bin", "application/octet-stream"],
  ["x", undefined],
  [".", undefined],
  ["", undefined],
  ["x.unheardof", undefined],
  ["x.constructor", undefined],
  ["x.__proto__", undefined],
] as const)("the name %s says %s", ([name, type]) => {
  expect(typeOfName(name)).toBe(type);
});

test.for([
  ["\x89PNG\r\n\x1a\n....", "image/png"],
  ["\xff\xd8\xff\xe0", "image/jpeg"],
  ["GIF89a", "image/gif"],
  ["RIFF1234WEBPVP8 ", "image/webp"],
  ["RIFF1234WAVE", "audio/wav"],
  ["%PDF-1.7", "application/pdf"],
  ["....ftypisom", "video/mp4"],
  ["....ftypavif", "image/avif"],
  ["\x1f\x8b\x08\x00", "application/gzip"],
  ["PK\x03\x04", "application/zip"],
  ["\x00asm\x01", "application/wasm"],
  ["<!DOCTYPE html><html>", "text/html"],
  ["\n  <HTML lang=en>", "text/html"],
  ["\xef\xbb\xbf<html>", "text/html"],
  ["<!-- c --><p>", "text/html"],
  ["<htmlish>", "text/plain; charset=utf-8"],
  ["<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"],
  ['<?xml version="1.0"?><svg >', "image/svg+xml"],
  ['<?xml version="1.0"?><rss>', "text/xml; charset=utf-8"],
  ["hello", "text/plain; charset=utf-8"],
  ["", "text/plain; charset=utf-8"],
  ["tab\tand\r\nlines", "text/plain; charset=utf-8"],
  ["bin\x00ary", "application/octet-stream"],
  ['{"a":1}', "application/json"],
  [' [1, "x", {"y": null}]\n', "application/json"],
  ["{}", "application/json"],
  ['{"a":1}\n{"b":2}', "text/plain; charset=utf-8"],
  ["[link](there)", "text/plain; charset=utf-8"],
  ["{ margin: 0 }", "text/plain; charset=utf-8"],
  ['"only text"', "text/plain; charset=utf-8"],
  ["42", "text/plain; charset=utf-8"],
] as const)("the bytes %j are %s", ([text, type]) => {
  expect(sniffType(Buffer.from(text, "latin1"))).toBe(type);
});

test("only the first bytes count", () => {
  expect(sniffType(Buffer.concat([Buffer.alloc(SNIFF_BYTES, "a"), Buffer.from([0])]))).toBe(
    "text/plain; charset=utf-8",
  );
});

test("the beginning of a JSON text is JSON, wherever it is cut; other text is not", () => {
  const json = fc.json({ maxDepth: 6 }).map((text) => `[${text},`);
  fc.assert(
    fc.property(json, (text) => {
      const head = text.repeat(Math.ceil(600 / text.length)).slice(0, SNIFF_BYTES);
      // Characters beyond latin1 would be cut in the middle; JSON may escape them.
      const bytes = Buffer.from(head.replaceAll(/[^\x20-\x7e]/g, "x"));
      expect(sniffType(bytes)).toBe("application/json");
      expect(sniffType(Buffer.concat([Buffer.from("[a "), bytes]))).toBe("text/plain; charset=utf-8");
    }),
    { numRuns: 300, seed: 3 },
  );
  const lines = Buffer.from('{"a":1}\n'.repeat(100));
  expect(sniffType(lines.subarray(0, SNIFF_BYTES))).toBe("text/plain; charset=utf-8");
});

test("whatever the bytes, the type is a header value", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      expect(sniffType(bytes)).toMatch(/^[a-z]+\/[a-z0-9.+-]+(?:; charset=utf-8)?$/);
    }),
    { numRuns: 1000, seed: 4 },
  );
});
