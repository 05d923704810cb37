import { hasStatuses, headerOf, type KnownDifference, parameterOf } from "./known-difference.ts";

const maxAgeOf = (text: string): number => Number(/^public, max-age=(\d+)/.exec(text)?.[1] ?? Number.NaN);

export const CACHING_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: "Vary: Accept",
    reason:
      "the same URL without ?format means different things to different Accept headers; Kubo does not say so",
    permittedBy: "RFC 9110 §12.5.5; protocols.md §4.4",
    explains: ({ kind, kubo, ours }) => kind === "header:vary" && kubo === "(none)" && ours === "Accept",
  },
  {
    name: "a second later",
    reason: "the rest of a record's lifetime has become shorter between our two answers",
    permittedBy: "RFC 9111 §4.2",
    explains: ({ kind, kubo: first, ours: second }, { request, tookS }) =>
      kind === "again:header:cache-control" &&
      request.path.startsWith("/ipns/") &&
      maxAgeOf(first) > maxAgeOf(second) &&
      maxAgeOf(first) <= maxAgeOf(second) + 1 + tookS,
  },
  {
    name: "errors are never stored",
    reason:
      "a block or name may arrive the next moment; Kubo even leaves the immutable lifetime on some errors",
    permittedBy: "RFC 9111 §5.2.2.5; protocols.md §4.2 [rule]",
    explains: ({ kind, ours }, { ours: { status } }) =>
      kind === "header:cache-control" && status >= 400 && ours === "no-store",
  },
  {
    name: "redirects may be stored",
    reason:
      "they follow from the URL or from immutable content: a day, and under /ipns no longer than its content",
    permittedBy: "RFC 9111 §4.2.2; protocols.md §4.5 [rule]",
    explains: ({ kind, kubo, ours }, { ours: { status } }) =>
      kind === "header:cache-control" &&
      [301, 302].includes(status) &&
      (kubo === "(none)" || kubo === "public, max-age=29030400, immutable") &&
      (ours === "public, max-age=86400" || maxAgeOf(ours) <= 30),
  },
  {
    name: "lifetime under /ipns",
    reason: "at most 30 s, whatever the record's TTL is, so that a new record becomes visible",
    permittedBy: "http-api.md: max-age ≤ min(record TTL, time to EOL, 30 s)",
    explains: ({ kind, kubo, ours }, { request, tookS, ours: { status } }) =>
      kind === "header:cache-control" &&
      request.path.startsWith("/ipns/") &&
      [200, 206, 301, 302, 304].includes(status) &&
      /^public, max-age=\d+$/.test(ours) &&
      maxAgeOf(ours) <= 30 &&
      // Time passes between the two answers.
      (kubo === "(none)" || maxAgeOf(ours) <= maxAgeOf(kubo) + 1 + tookS),
  },
  {
    name: "lifetime on the 304 of a record",
    reason: "ours is that of the 200, Kubo's 304 has none",
    permittedBy: "RFC 9110 §15.4.5: a 304 MUST have the Cache-Control of the 200",
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:cache-control" &&
      kubo === "(none)" &&
      /^public, max-age=\d+$/.test(ours) &&
      hasStatuses(compared, [304], [304]) &&
      `${headerOf(compared.request, "accept") ?? ""} ${parameterOf(compared.request, "format") ?? ""}`.includes(
        "ipns-record",
      ),
  },
  {
    name: "tag of a record",
    reason: "Kubo forgets the quotes around it, and then does not find it in If-None-Match",
    permittedBy: 'path-gateway, Etag: "must be wrapped by double quotes"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      compared.kubo.headers["content-type"] === "application/vnd.ipfs.ipns-record" &&
      headerOf(compared.request, "if-none-match") !== undefined &&
      compared.kubo.headers["etag"]?.includes('"') === false &&
      hasStatuses(compared, [200], [304]),
  },
  {
    name: "lifetime of the page that shows a document",
    reason: "Kubo gives none, we give that of a listing",
    permittedBy: "RFC 9111 §4.2.2; protocols.md §4.5",
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:cache-control" &&
      compared.ours.headers["etag"]?.startsWith('"DagIndex-') === true &&
      kubo === "(none)" &&
      ours === "public, max-age=604800, stale-while-revalidate=2678400",
  },
  {
    name: "condition on what is an error",
    reason: "Kubo answers 304 for a format in which the content cannot be given",
    permittedBy:
      'RFC 9110 §13.2.1: conditions are ignored "if the response without them would be other than 2xx"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      headerOf(compared.request, "if-none-match") !== undefined &&
      hasStatuses(compared, [304], [301, 400, 404, 406, 422, 501]),
  },
  {
    name: "If-None-Match of nothing",
    reason:
      "a list without tags names none, and If-Modified-Since does not count beside it; Kubo takes it for no header",
    permittedBy:
      'RFC 9110 §13.1.3: "MUST ignore If-Modified-Since if the request contains an If-None-Match header field"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      headerOf(compared.request, "if-none-match") === "" &&
      headerOf(compared.request, "if-modified-since") !== undefined &&
      hasStatuses(compared, [304], [200, 206]),
  },
  {
    name: "tag on a 304 for any tag",
    reason: "ours is the tag, and the lifetime, that the 200 has; Kubo's that of a file",
    permittedBy: "RFC 9110 §15.4.5",
    explains: ({ kind }, compared) =>
      ["header:etag", "header:cache-control"].includes(kind) &&
      headerOf(compared.request, "if-none-match") === "*" &&
      hasStatuses(compared, [304], [304]) &&
      /^"(?:DirIndex|DagIndex)-/.test(compared.ours.headers["etag"] ?? ""),
  },
];
