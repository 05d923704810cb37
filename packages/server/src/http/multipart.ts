import { HoldfastError } from "@holdfast/core";

/**
 * Multipart bodies with exactly one part, for record puts. Our own because the parts of real clients come as text fields
 * too (no filename, no type), which the usual parsers decode as UTF-8 and so destroy (R9).
 *
 * @see https://www.rfc-editor.org/rfc/rfc7578 and RFC 2046 §5.1.1
 */

const PART_HEADER_BYTES_MAX = 4096;
const CRLF = Buffer.from("\r\n");
const HEADER_END = Buffer.from("\r\n\r\n");

/** A boundary is up to 70 of these, and does not end in a space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const BOUNDARY_PARAMETER = /;\s*boundary=(?:"([^"\\]*)"|([^\s;"]+))/i;
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;

/**
 * The boundary of a multipart body; undefined when the body is not multipart, and so is the record itself.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when it claims to be multipart and has no usable boundary.
 */
export function multipartBoundaryOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^\s*multipart\//i.test(contentType)) return undefined;
  const [, quoted, plain] = BOUNDARY_PARAMETER.exec(contentType) ?? [];
  const boundary = quoted ?? plain ?? "";
  if (!BOUNDARY.test(boundary)) throw malformed("no usable boundary in the Content-Type");
  return boundary;
}

/** Whether these first bytes can still become a body with this boundary. Lets garbage be refused before all of it is here. */
export function canStartMultipart(firstBytes: Uint8Array, boundary: string): boolean {
  const expected = Buffer.from(`--${boundary}`, "latin1");
  const start = startOf(firstBytes);
  const length = Math.min(expected.length, firstBytes.length - start);
  return length <= 0 || expected.subarray(0, length).equals(firstBytes.subarray(start, start + length));
}

/**
 * The content of the one part, whatever its name, with or without a filename; a copy.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when the body has another form, no part, or more than one.
 */
export function parseSinglePart(body: Uint8Array, boundary: string): Uint8Array {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = Buffer.from(`--${boundary}`, "latin1");
  const start = startOf(bytes);
  if (!startsWithAt(bytes, delimiter, start)) throw malformed("it does not start with the boundary");
  const afterDelimiter = start + delimiter.length;
  if (startsWithAt(bytes, Buffer.from("--"), afterDelimiter)) throw malformed("expected a file argument");
  const headerStart = endOfDelimiterLine(bytes, afterDelimiter);
  // The search begins on the line end before the headers: a part may have none.
  const headerEnd = bytes.indexOf(HEADER_END, headerStart - CRLF.length);
  if (headerEnd < 0 || headerEnd - headerStart > PART_HEADER_BYTES_MAX)
    throw malformed("no end of the part's headers");
  assertPartHeaders(bytes.toString("latin1", headerStart, Math.max(headerStart, headerEnd)));
  const contentStart = headerEnd + HEADER_END.length;
  // An empty part may lend its header's last line end to the closing delimiter.
  const end = bytes.indexOf(Buffer.concat([CRLF, delimiter]), contentStart - CRLF.length);
  if (end < 0) throw malformed("the closing boundary is missing");
  assertClosing(bytes.subarray(end + CRLF.length + delimiter.length));
  return Uint8Array.from(bytes.subarray(contentStart, Math.max(contentStart, end)));
}

/** Some clients put a line end before the first boundary. */
function startOf(bytes: Uint8Array): number {
  return bytes[0] === CRLF[0] && bytes[1] === CRLF[1] ? CRLF.length : 0;
}

/** Spaces and tabs may pad the line of a delimiter. */
function endOfDelimiterLine(bytes: Buffer, offset: number): number {
  let end = offset;
  while (bytes[end] === 0x20 || bytes[end] === 0x09) end++;
  if (!startsWithAt(bytes, CRLF, end)) throw malformed("the first boundary is not followed by a line end");
  return end + CRLF.length;
}

function assertPartHeaders(text: string): void {
  if (text === "") return;
  for (const line of text.split("\r\n")) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined) throw malformed("a header of the part is malformed");
    const isEncoding = name.toLowerCase() === "content-transfer-encoding";
    if (isEncoding && !/^(binary|8bit|7bit)$/i.test(value ?? "")) throw malformed(`${name} is not supported`);
  }
}

function assertClosing(rest: Uint8Array): void {
  const text = Buffer.from(rest.buffer, rest.byteOffset, rest.byteLength).toString("latin1");
  if (/^[ \t]*\r\n/.test(text)) throw malformed("more than one part");
  if (!/^--[ \t]*(?:\r\n\s*)?$/.test(text)) throw malformed("something follows the closing boundary");
}

function startsWithAt(bytes: Buffer, expected: Buffer, offset: number): boolean {
  return (
    bytes.length >= offset + expected.length &&
    bytes.compare(expected, 0, expected.length, offset, offset + expected.length) === 0
  );
}

function malformed(what: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", `malformed multipart body: ${what}`);
}
