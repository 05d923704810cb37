import { isHoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canStartMultipart, multipartBoundaryOf, parseSinglePart } from "./multipart.ts";

const BOUNDARY = "----formdata-undici-0123";
const RECORD = Uint8Array.from([0x0a, 0x0d, 0x0a, 0x2d, 0x2d, 0xff, 0x00, 0xc3, 0x28]);

function bodyOf(
  headers: string,
  content: Uint8Array | string = RECORD,
  end = `\r\n--${BOUNDARY}--\r\n`,
): Buffer {
  return Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\n${headers}\r\n`, "latin1"),
    Buffer.from(content),
    Buffer.from(end),
  ]);
}

function refused(body: Uint8Array): string {
  try {
    parseSinglePart(body, BOUNDARY);
  } catch (err) {
    if (isHoldfastError(err) && err.code === "INVALID_ARGUMENT") return err.message;
    throw err;
  }
  throw new Error("was not refused");
}

function outcomeOf(body: Uint8Array): string {
  try {
    return parseSinglePart(body, BOUNDARY) instanceof Uint8Array ? "bytes" : "something else";
  } catch (err) {
    return isHoldfastError(err) ? err.code : String(err);
  }
}

describe("parseSinglePart", () => {
  it.each([
    [
      "curl, part file",
      'Content-Disposition: form-data; name="file"; filename="r"\r\nContent-Type: application/octet-stream\r\n',
    ],
    [
      "kubo-rpc-client, an empty filename",
      'Content-Disposition: form-data; name="file"; filename=""\r\nContent-Type: application/octet-stream\r\n',
    ],
    [
      "the republisher, part value-file",
      'Content-Disposition: form-data; name="value-file"; filename="record"\r\n',
    ],
    ["part data, no filename", 'content-disposition: form-data; name="data"\r\n'],
    ["a part without a name", "Content-Disposition: form-data\r\n"],
    ["a part without headers", ""],
    [
      "Kubo's own headers",
      'Abspath-Encoded: %2Fx\r\nContent-Disposition: form-data; name="file"; filename="a%2Fb"\r\n',
    ],
    ["an explicit binary encoding", "Content-Transfer-Encoding: binary\r\n"],
  ])("R9: gives the bytes of the one part: %s", (_what, headers) => {
    expect(parseSinglePart(bodyOf(headers), BOUNDARY)).toEqual(RECORD);
  });

  it("takes a body without a last line end, with one before the first boundary, and with padded delimiters", () => {
    const plain = bodyOf("", RECORD, `\r\n--${BOUNDARY}--`);
    expect(parseSinglePart(plain, BOUNDARY)).toEqual(RECORD);
    expect(parseSinglePart(Buffer.concat([Buffer.from("\r\n"), plain]), BOUNDARY)).toEqual(RECORD);
    const padded = Buffer.concat([
      Buffer.from(`--${BOUNDARY} \t\r\n\r\n`),
      RECORD,
      Buffer.from(`\r\n--${BOUNDARY}-- \r\n`),
    ]);
    expect(parseSinglePart(padded, BOUNDARY)).toEqual(RECORD);
  });

  it("gives an empty part as empty, also when it lends a line end to the closing delimiter", () => {
    expect(parseSinglePart(bodyOf("Content-Type: x/y\r\n", ""), BOUNDARY)).toEqual(new Uint8Array());
    expect(parseSinglePart(bodyOf("Content-Type: x/y\r\n", "", `--${BOUNDARY}--\r\n`), BOUNDARY)).toEqual(
      new Uint8Array(),
    );
  });

  it("copies: the answer does not change with the body", () => {
    const body = bodyOf("");
    const part = parseSinglePart(body, BOUNDARY);
    body.fill(0);
    expect(part).toEqual(RECORD);
  });

  it.each([
    ["nothing", ""],
    ["no part", `--${BOUNDARY}--\r\n`],
    ["another boundary", "--other\r\n\r\nx\r\n--other--\r\n"],
    ["text before the boundary", `preamble\r\n--${BOUNDARY}\r\n\r\nx\r\n--${BOUNDARY}--\r\n`],
    ["the boundary as a prefix of a longer one", `--${BOUNDARY}4\r\n\r\nx\r\n--${BOUNDARY}4--\r\n`],
    ["line feeds alone", `--${BOUNDARY}\n\nx\n--${BOUNDARY}--\n`],
    ["no end of the headers", `--${BOUNDARY}\r\nContent-Type: x/y\r\n`],
    ["a header without a colon", `--${BOUNDARY}\r\nnonsense\r\n\r\nx\r\n--${BOUNDARY}--\r\n`],
    ["a base64 part", `--${BOUNDARY}\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--${BOUNDARY}--\r\n`],
    ["no closing boundary", `--${BOUNDARY}\r\n\r\nx`],
    ["a closing boundary cut short", `--${BOUNDARY}\r\n\r\nx\r\n--${BOUNDARY}-`],
    ["two parts", `--${BOUNDARY}\r\n\r\nx\r\n--${BOUNDARY}\r\n\r\ny\r\n--${BOUNDARY}--\r\n`],
    ["something behind the end", `--${BOUNDARY}\r\n\r\nx\r\n--${BOUNDARY}--\r\nmore`],
    ["headers that do not end", `--${BOUNDARY}\r\n${"X: y\r\n".repeat(2000)}\r\nx\r\n--${BOUNDARY}--\r\n`],
  ])("refuses %s", (_what, body) => {
    expect(refused(Buffer.from(body, "latin1"))).toMatch(/^malformed multipart body/);
  });

  it("gives back whatever part was framed, unless the part contains the delimiter", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
        expect(
          parseSinglePart(bodyOf('Content-Disposition: form-data; name="x"\r\n', content), BOUNDARY),
        ).toEqual(content);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("answers every mutation of a body with bytes or INVALID_ARGUMENT, never with another error", () => {
    const valid = bodyOf('Content-Disposition: form-data; name="file"; filename="r"\r\n');
    const edit = fc.record({
      at: fc.nat(valid.length),
      remove: fc.nat(12),
      insert: fc.uint8Array({ maxLength: 8 }),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let body: Buffer = valid;
        for (const { at, remove, insert } of edits) {
          body = Buffer.concat([body.subarray(0, at), insert, body.subarray(at + remove)]);
        }
        expect(outcomeOf(body)).toMatch(/^(bytes|INVALID_ARGUMENT)$/);
      }),
      { seed: 2, numRuns: 3000 },
    );
  });
});

describe("multipartBoundaryOf", () => {
  it.each([
    ["multipart/form-data; boundary=abc", "abc"],
    ['multipart/form-data; charset=utf-8; boundary="a b"', "a b"],
    [
      "Multipart/Form-Data; Boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
      "----WebKitFormBoundary7MA4YWxkTrZu0gW",
    ],
    ["application/octet-stream", undefined],
    [undefined, undefined],
  ])("reads %s", (contentType, boundary) => {
    expect(multipartBoundaryOf(contentType)).toBe(boundary);
  });

  it.each([
    "multipart/form-data",
    "multipart/form-data; boundary=",
    `multipart/form-data; boundary=${"x".repeat(71)}`,
    'multipart/form-data; boundary="a\r\nb"',
  ])("refuses %s", (contentType) => {
    expect(() => multipartBoundaryOf(contentType)).toThrow(/no usable boundary/);
  });
});

describe("canStartMultipart", () => {
  it("says no as soon as the first bytes differ, and yes for every prefix of a body", () => {
    const body = bodyOf("");
    for (let length = 0; length <= body.length; length++) {
      expect(canStartMultipart(body.subarray(0, length), BOUNDARY)).toBe(true);
    }
    expect(canStartMultipart(Buffer.from("\r\n--"), BOUNDARY)).toBe(true);
    expect(canStartMultipart(Buffer.from("{"), BOUNDARY)).toBe(false);
    expect(canStartMultipart(Buffer.from(`--${BOUNDARY.slice(0, -1)}x`), BOUNDARY)).toBe(false);
  });
});
