import { isGeneratedPage } from "../compare.ts";
import { headerOf, hasStatuses, isBroken, type KnownDifference } from "./known-difference.ts";

const RFC_RANGE = "RFC 9110 §14.2";

export const RANGE_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: "range of an unknown unit",
    reason: "Kubo refuses it, we answer as if it were not there",
    permittedBy: `${RFC_RANGE}: "An origin server MUST ignore a Range header field that contains a range unit it does not understand"`,
    explains: ({ kind }, compared) =>
      kind === "status" &&
      !/^\s*bytes\s*=/i.test(headerOf(compared.request, "range") ?? "bytes=") &&
      hasStatuses(compared, [400, 416], [200, 301, 304, 404, 406, 412, 422, 501]),
  },
  {
    name: "range before everything else",
    reason: "Kubo refuses a malformed Range of what it would not have sent anyway",
    permittedBy: `${RFC_RANGE}: evaluated "only if the result in absence of the Range header field would be a 200"`,
    explains: ({ kind }, compared) =>
      kind === "status" &&
      compared.kuboError.includes("invalid range") &&
      (hasStatuses(compared, [400, 500], [301, 304, 404, 406, 412, 422, 501]) ||
        (headerOf(compared.request, "if-range") !== undefined && hasStatuses(compared, [400], [200]))),
  },
  {
    name: "malformed range",
    reason: "we always answer 400; Kubo 400 or 416, and 200 for no range at all",
    permittedBy: `${RFC_RANGE}: "MAY ignore or reject a Range header field that contains an invalid ranges-specifier"; protocols.md §4.2`,
    explains: ({ kind }, compared) =>
      kind === "status" &&
      isMalformed(headerOf(compared.request, "range") ?? "bytes=0-") &&
      (hasStatuses(compared, [200, 416], [400]) ||
        (hasStatuses(compared, [400], [200]) && isGeneratedPage(compared.ours.headers))),
  },
  {
    name: "HEAD with a range of a document",
    reason: "Kubo reads a body that it has not got and fails",
    permittedBy: 'RFC 9110 §9.3.2: "SHOULD send the same header fields"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      compared.request.method === "HEAD" &&
      headerOf(compared.request, "range") !== undefined &&
      hasStatuses(compared, [500], [200, 206, 416]),
  },
  {
    name: "suffix longer than the file",
    reason: "Kubo fails; the whole file is the answer",
    permittedBy:
      'RFC 9110 §14.1.2: "If the selected representation is shorter than the specified suffix-length, the entire representation is used"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /bytes=.*-\d/.test(headerOf(compared.request, "range") ?? "") &&
      compared.kuboError.includes("negative start bigger than the file size") &&
      hasStatuses(compared, [400, 500], [200, 206]),
  },
  {
    name: "suffix of nothing",
    reason:
      "the last 0 bytes, or the last bytes of nothing, are no range; Kubo answers 206 with an impossible Content-Range",
    permittedBy: "RFC 9110 §14.1.2: a suffix is satisfiable with a non-zero suffix-length",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      ((headerOf(compared.request, "range") === "bytes=-0" && hasStatuses(compared, [206], [200, 416])) ||
        (compared.ours.headers["content-length"] === "0" && hasStatuses(compared, [206], [200]))),
  },
  {
    name: "several ranges",
    reason: "Kubo gives the first only, and breaks off when it lies behind the others; we give all of them",
    permittedBy: "RFC 9110 §14.2 and §15.3.7.2; gateway-conformance accepts both",
    explains: ({ kind }, { request, kubo, ours }) =>
      headerOf(request, "range")?.includes(",") === true &&
      ["header:content-type", "header:content-length", "header:content-range", "body", "broken"].includes(
        kind,
      ) &&
      (isBroken(kubo) || ours.headers["content-type"]?.startsWith("multipart/byteranges") === true) &&
      (request.method === "HEAD" || isBroken(kubo) || ours.body.includes(kubo.body)),
  },
  {
    name: "If-Range that does not match",
    reason:
      "Kubo reads only the range, then claims to send everything and breaks off or sends the wrong bytes",
    permittedBy: 'RFC 9110 §13.1.5: "the recipient MUST ignore the Range header field"',
    explains: ({ kind }, { request, kubo, ours }) =>
      headerOf(request, "if-range") !== undefined &&
      ["broken", "body", "header:content-type"].includes(kind) &&
      kubo.status === 200 &&
      ours.status === 200 &&
      !isBroken(ours) &&
      Number(ours.headers["content-length"]) === ours.body.byteLength,
  },
  {
    name: "body of a 416",
    reason: "Kubo adds a text, we send none",
    permittedBy: "RFC 9110 §15.5.17: the Content-Range is the answer",
    explains: ({ kind, ours }, compared) =>
      kind === "header:content-type" && ours === "(none)" && hasStatuses(compared, [416], [416]),
  },
];

function isMalformed(range: string): boolean {
  const [, list] = /^\s*bytes\s*=(.*)$/is.exec(range) ?? [];
  const parts = (list ?? "0-")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return (
    parts.length === 0 ||
    parts.some((part) => {
      const [, from = "", to = ""] = /^(\d*)\s*-\s*(\d*)$/.exec(part) ?? [];
      return (from === "" && to === "") || (from !== "" && to !== "" && Number(to) < Number(from));
    })
  );
}
