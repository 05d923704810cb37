import { isGeneratedPage } from "../compare.ts";
import { OWN_AND_PARTS_CID } from "../make-nodes.ts";
import {
  decoded,
  hasStatuses,
  headerOf,
  isBroken,
  isCar,
  type KnownDifference,
  parameterOf,
} from "./known-difference.ts";

export const REPRESENTATION_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: "nosniff on a generated page",
    reason: "the page is ours, and it is HTML whatever the names on it look like",
    permittedBy: 'path-gateway, "X-Content-Type-Options (response header)": optional',
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:x-content-type-options" &&
      kubo === "(none)" &&
      ours === "nosniff" &&
      isGeneratedPage(compared.ours.headers),
  },
  {
    name: "charset of a generated page",
    reason: "ours says its charset in the header too",
    permittedBy: 'path-gateway, "Generated HTML with directory index": implementations decide',
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:content-type" &&
      kubo === "text/html" &&
      ours === "text/html; charset=utf-8" &&
      isGeneratedPage(compared.ours.headers),
  },
  {
    name: "charset of nothing",
    reason: "an empty file is in every charset",
    permittedBy: 'path-gateway, "Content-Type (response header)"',
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:content-type" &&
      (kubo === "text/plain" || kubo === "(none)") &&
      ours === "text/plain; charset=utf-8" &&
      compared.ours.headers["content-length"] === "0",
  },
  {
    name: "spelling of Content-Location",
    reason: "ours is a URL; Kubo's has the decoded path in it, and the q of Accept as a parameter",
    permittedBy: "RFC 9110 §8.7: a URI-reference; RFC 9110 §12.4.2: q is not a parameter of the media type",
    explains: ({ kind, kubo, ours }) =>
      kind === "header:content-location" &&
      kubo !== "(none)" &&
      decoded(pathOf(ours)) === kubo.replace(/\?[^?]*$/s, "") &&
      sameQuery(kubo.replace(/^.*\?/s, "?"), ours),
  },
  {
    name: "filename for old clients",
    reason:
      "ours is plain ASCII; Kubo writes percent-encoding, which they take literally. The exact one is the same",
    permittedBy: "RFC 6266 §4.3 and appendix D",
    explains: ({ kind, kubo, ours }) => {
      const form = (text: string): string =>
        decoded(text.replace(/filename="[^"]*"; /, "").replaceAll("+", "%2B"));
      return (
        kind === "header:content-disposition" && form(kubo) === form(ours) && /filename="[ -~]*"; /.test(ours)
      );
    },
  },
  {
    name: "Accept-Ranges of a TAR",
    reason: "we say that a TAR cannot be had in part, Kubo says nothing",
    permittedBy: "RFC 9110 §14.3",
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:accept-ranges" &&
      kubo === "(none)" &&
      ours === "none" &&
      compared.ours.headers["content-type"] === "application/x-tar",
  },
  {
    name: "HEAD of a generated page",
    reason:
      "ours has the headers of the GET, Kubo's has almost none, and it fails for the page of a document",
    permittedBy: 'RFC 9110 §9.3.2: "SHOULD send the same header fields"',
    explains: ({ kind, kubo }, compared) =>
      compared.request.method === "HEAD" &&
      isGeneratedPage(compared.ours.headers) &&
      ((kind.startsWith("header:") && kubo === "(none)") ||
        (kind === "status" && hasStatuses(compared, [500], [200]))),
  },
  {
    name: "HEAD of what is cached",
    reason: "Kubo answers a bare 200 to only-if-cached, we the headers of the GET",
    permittedBy: 'RFC 9110 §9.3.2: "SHOULD send the same header fields"',
    explains: ({ kind, kubo }, { request, ours }) =>
      kind.startsWith("header:") &&
      request.method === "HEAD" &&
      kubo === "(none)" &&
      ours.status === 200 &&
      headerOf(request, "cache-control") === "only-if-cached",
  },
  {
    name: "control characters in a header",
    reason: "ours escapes them, Kubo writes them as they are",
    permittedBy: "RFC 9110 §5.5",
    explains: ({ kind }, { request }) => kind === "header:x-ipfs-path" && request.path.includes("%00"),
  },
  {
    name: "own bytes of a file that has parts",
    reason: "Kubo leaves them out, so that its body is shorter than it says",
    permittedBy: 'UnixFS, decode(PBNode.Data).Data: "the file content … appended before the links"',
    explains: ({ kind }, { request, ours, kubo }) =>
      request.path.includes(OWN_AND_PARTS_CID) &&
      ["body", "broken", "header:content-type", "header:content-length", "header:content-range"].includes(
        kind,
      ) &&
      !isBroken(ours) &&
      (isBroken(kubo) || kubo.status === 206),
  },
  {
    name: "entity-bytes that mean nothing",
    reason: "Kubo breaks off where nothing of the file is in the range",
    permittedBy:
      'trustless-gateway, entity-bytes: "resolves to a zero-length range … equivalent to dag-scope=block"',
    explains: ({ kind }, { request, ours, kubo }) =>
      (kind === "body" || kind === "broken") &&
      isCar(ours) &&
      parameterOf(request, "entity-bytes") !== undefined &&
      isBroken(kubo) &&
      !isBroken(ours),
  },
  {
    name: "download without a name",
    reason: "Kubo passes it over",
    permittedBy: 'path-gateway, download: "MUST include Content-Disposition: attachment[;filename=…]"',
    explains: ({ kind, kubo, ours }, { request }) =>
      kind === "header:content-disposition" &&
      kubo === "(none)" &&
      ours === "attachment" &&
      parameterOf(request, "download") === "true",
  },
  {
    name: "spelling of Location",
    reason:
      "we keep the escapes of the request, Kubo writes its own, in the query even twice; it is the same place",
    permittedBy: "RFC 3986 §6.2.2",
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:location" &&
      hasStatuses(compared, [301, 302], [301, 302]) &&
      // It escapes the percent signs of the query once more.
      (sameQuery(kubo, ours) || sameQuery(kubo.replace(/%25/g, "%"), ours)) &&
      decoded(pathOf(kubo)) === decoded(pathOf(ours)),
  },
  {
    name: "type of a part",
    reason:
      "Kubo guesses the type from the bytes of the range, we from the beginning of the file, as for the whole",
    permittedBy: "RFC 9110 §15.3.7: a 206 has the header fields of the 200",
    explains: ({ kind }, compared) =>
      kind === "header:content-type" &&
      hasStatuses(compared, [206], [206]) &&
      compared.ours.headers["content-range"]?.startsWith("bytes 0-") === false,
  },
  {
    name: "Last-Modified under /ipns",
    reason:
      "Kubo says the time of the answer, which nothing has been modified at; our answers always have a lifetime instead",
    permittedBy: "RFC 9110 §8.8.2.1; protocols.md §4.5: only for an unknown TTL",
    explains: ({ kind, ours }, compared) =>
      compared.request.path.startsWith("/ipns/") &&
      ((kind === "header:last-modified" && ours === "(none)") ||
        (kind === "status" &&
          headerOf(compared.request, "if-modified-since") !== undefined &&
          hasStatuses(compared, [304], [200, 206]))),
  },
  {
    name: "Last-Modified on a 304",
    reason: "ours repeats it, Kubo leaves it out",
    permittedBy: "RFC 9110 §15.4.5: other metadata only SHOULD NOT be sent, and this one guides caches",
    explains: ({ kind, kubo }, compared) =>
      kind === "header:last-modified" && kubo === "(none)" && hasStatuses(compared, [304], [304]),
  },
  {
    name: "tag of a file that was asked for as JSON",
    reason:
      "the bytes are those of the file, and so is the tag in both 200s; Kubo compares with another one, and so goes on",
    permittedBy: "RFC 9110 §13.1.2",
    explains: ({ kind, kubo, ours }, compared) => {
      const { request } = compared;
      const wanted = `${headerOf(request, "accept") ?? ""} ${parameterOf(request, "format") ?? ""}`;
      if (headerOf(request, "if-none-match") === undefined || !/json|cbor/.test(wanted)) return false;
      if (kind === "header:etag")
        return kubo === ours.replace(/"$/, '.json"') || kubo === ours.replace(/"$/, '.cbor"');
      return kind === "status" && hasStatuses(compared, [200, 206, 301, 500], [304]);
    },
  },
  {
    name: "entity-bytes without dag-scope",
    reason: "it means dag-scope=entity; Kubo takes it for all",
    permittedBy: 'trustless-gateway, "entity-bytes": "It implies dag-scope=entity"; protocols.md §8',
    explains: ({ kind, kubo, ours }, { request, ours: answer }) => {
      if (kind !== "body" || !isCar(answer)) return false;
      if (
        parameterOf(request, "entity-bytes") === undefined ||
        parameterOf(request, "dag-scope") !== undefined
      )
        return false;
      const sent = new Set(kubo.split("\n"));
      return ours.split("\n").every((line) => sent.has(line));
    },
  },
  {
    name: "field in a CAR with duplicates",
    reason:
      "the block with the field proves the path and is its end; Kubo sends it for each of the two, we once",
    permittedBy:
      'trustless-gateway, "CAR dups": sent every time that it occurs during the DAG walk, in which it occurs once',
    explains: ({ kind, kubo, ours }, compared) => {
      if (kind !== "body" || !isCar(compared.ours)) return false;
      const lines = kubo.split("\n");
      const at = lines.findIndex((line, index) => line === lines[index - 1]);
      return at > 0 && lines.toSpliced(at, 1).join("\n") === ours;
    },
  },
];

const pathOf = (url: string): string => url.replace(/\?.*/s, "");

function sameQuery(a: string, b: string): boolean {
  const [one, other] = [a, b].map((url) => {
    const parameters = new URLSearchParams(url.replace(/^[^?]*/, ""));
    // Kubo takes the q of Accept for a parameter of the type.
    for (const name of Array.from(parameters.keys())) if (name.endsWith("-q")) parameters.delete(name);
    parameters.sort();
    return parameters.toString();
  });
  return one === other;
}
