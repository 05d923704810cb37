import { GIT_BLOCK_CID, LONG_IDENTITY_CID } from "../make-nodes.ts";
import {
  decoded,
  headerOf,
  hasStatuses,
  isBroken,
  isCar,
  type KnownDifference,
  parameterOf,
} from "./known-difference.ts";

export const ERROR_DIFFERENCES: readonly KnownDifference[] = [
  {
    name: "what is not held",
    reason: "an absent block is 404 wherever it lies; Kubo answers 500 when it is not the root",
    permittedBy: 'path-gateway, "404 Not Found"; protocols.md §4.2',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /could not find|not found|no providers found|failed to fetch all nodes|could not resolve name/.test(
        compared.kuboError,
      ) &&
      hasStatuses(compared, [500], [404]),
  },
  {
    name: "an index that is no number",
    reason: "a list has no such field: 404, or the CAR that shows it; Kubo answers 500",
    permittedBy: 'path-gateway, "404 Not Found"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      compared.kuboError.includes("invalid segment for lookup on a list") &&
      hasStatuses(compared, [500], [200, 404]),
  },
  {
    name: "CAR of an absent block",
    reason: "404 before anything is sent; Kubo answers 200 without the block that would prove anything",
    permittedBy: 'trustless-gateway, "404 Not Found": MUST for a missing root block; protocols.md §4.7',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      isCar(compared.kubo) &&
      compared.oursError.includes("was not found") &&
      hasStatuses(compared, [200], [404]),
  },
  {
    name: "a name that nobody has published",
    reason: "without a network nobody can be asked: 503; Kubo answers 500",
    permittedBy: 'path-gateway, "Handling traversal errors": 500 can, but need not be used',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /routing: not found|could not resolve name/.test(compared.kuboError) &&
      hasStatuses(compared, [500], [503]),
  },
  {
    name: "what is neither a name nor a domain",
    reason: "a mistake in the URL is 400; Kubo looks it up in the DNS and answers 500",
    permittedBy: 'http-api.md: malformed → 400; path-gateway, "400 Bad Request"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /DNSLink lookup|cannot resolve: /.test(compared.kuboError) &&
      hasStatuses(compared, [500], [400]),
  },
  {
    name: "no conversion",
    reason:
      "406 says that the block is there but has not this form; Kubo answers 400 or 500 for some pairs, and for what is no UnixFS",
    permittedBy: "IPIP-524; IPIP-328",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /converting to requested format is not supported|unknown node type|incorrectly formatted metadata object|proto:\s/.test(
        compared.kuboError,
      ) &&
      hasStatuses(compared, [400, 500], [406]),
  },
  {
    name: "a field in a format that its block has not",
    reason: "neither could be given: we name the format (406), Kubo the field (501)",
    permittedBy: "IPIP-524",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /could not be returned|invalid range/.test(compared.kuboError) &&
      hasStatuses(compared, [501], [406]),
  },
  {
    name: "an absent block in a format that it cannot have",
    reason: "the CID says that it cannot be given, so it is not looked for",
    permittedBy: "IPIP-524",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      compared.kuboError.includes("could not find") &&
      hasStatuses(compared, [404], [406]),
  },
  {
    name: "only-if-cached of what cannot be answered otherwise either",
    reason:
      "the blocks that prove an absence are held, so 404, or the CAR of the proof, needs no network; nor do 400 and 406, or a 304 for a tag that names the CID",
    permittedBy: 'path-gateway, "only-if-cached"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      headerOf(compared.request, "cache-control") === "only-if-cached" &&
      hasStatuses(compared, [412], [200, 304, 400, 404, 406]),
  },
  {
    name: "an unknown type of ours, of what does not exist",
    reason: "two mistakes: we name the type (400), Kubo the path (404)",
    permittedBy: 'path-gateway, "400 Bad Request"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /unknown/.test(headerOf(compared.request, "accept") ?? "") &&
      hasStatuses(compared, [404, 500], [400]),
  },
  {
    name: "names that are no text",
    reason: "no entry can have a name that is not UTF-8",
    permittedBy: "IPLD dag-pb: Name is a UTF-8 string",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /%ff/i.test(compared.request.path) &&
      hasStatuses(compared, [200, 302, 404, 405, 500], [400]),
  },
  {
    name: "empty and dot segments",
    reason:
      "what goes through `.`, `..` or an empty root is refused, other empty segments are passed over; Kubo redirects or cleans the path",
    permittedBy: "RFC 3986 §5.2.4: clients remove dot segments; path-gateway §3.1.2",
    explains: ({ kind }, compared) =>
      ["status", "header:location"].includes(kind) &&
      /\/\/|\/(?:\.|%2e){1,2}(?:\/|$)/i.test(compared.request.path) &&
      (compared.kubo.status === 307 ||
        hasStatuses(compared, [200, 206, 301, 302, 304, 404, 406, 412, 416, 500, 501], [302, 400])),
  },
  {
    name: "a block that is absent inside",
    reason:
      "what is small is read whole before it is answered, and so fails with a status; Kubo answers 200 and breaks off",
    permittedBy: "path-gateway, 404 Not Found: content that is not retrievable",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      compared.oursError.includes("was not found") &&
      hasStatuses(compared, [200, 206], [404]) &&
      (isBroken(compared.kubo) || compared.request.method === "HEAD"),
  },
  {
    name: "only-if-cached of what is held in part",
    reason:
      "what is answered whole is known not to be held whole; Kubo looks at the root only, and breaks off",
    permittedBy: "path-gateway, only-if-cached: own heuristics",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      headerOf(compared.request, "cache-control") === "only-if-cached" &&
      hasStatuses(compared, [200, 500], [412]) &&
      (compared.kubo.status === 500 || isBroken(compared.kubo) || compared.request.method === "HEAD"),
  },
  {
    name: "?uri= anywhere",
    reason: "only GET and HEAD of a content path are redirected; Kubo redirects all",
    permittedBy: "protocols.md §4.1: the method is decided first",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      parameterOf(compared.request, "uri") !== undefined &&
      hasStatuses(compared, [301, 400], [404, 405]),
  },
  {
    name: "escaped spelling of a name",
    reason: "Kubo decodes it before it decides on the redirect to the canonical URL",
    permittedBy: "protocols.md §4.1, decision 4",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /^\/ipns\/[^/]*%/.test(compared.request.path) &&
      (compared.ours.status === 302 || compared.kubo.status === 302),
  },
  {
    name: "codecs that we have not",
    reason:
      "Kubo has plugins for git and more, walks through such blocks and gives them as files; we give them as raw blocks only",
    permittedBy: "path-gateway, 400 Bad Request: a codec may be unsupported; 406 because ?format=raw works",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      decoded(compared.request.path).toLowerCase().includes(GIT_BLOCK_CID) &&
      compared.ours.status === 406,
  },
  {
    name: "identity CIDs that carry too much",
    reason:
      "the limit is the client's mistake: 400, or 406 if the format is another; Kubo answers 500, or a CAR of nothing",
    permittedBy: "IPIP-512: more than 128 bytes are refused",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      decoded(compared.request.path).includes(LONG_IDENTITY_CID) &&
      hasStatuses(compared, [200, 500], [400, 406]),
  },
  {
    name: "service workers by an escaped slash",
    reason:
      "the scope of /ipfs/{cid}%2Fscript.js would be all of /ipfs/, so it is refused; Kubo decodes it first",
    permittedBy: 'path-gateway, "Service-Worker (request header)"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      headerOf(compared.request, "service-worker") === "script" &&
      /^\/ip[fn]s\/[^/]*%2F[^/]*$/i.test(compared.request.path) &&
      compared.ours.status === 400,
  },
  {
    name: "no root at all",
    reason: "Kubo's HTTP library adds a slash first",
    permittedBy: 'path-gateway, "400 Bad Request"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      /^\/ip[fn]s$/.test(compared.request.path) &&
      hasStatuses(compared, [307], [400, 405]),
  },
  {
    name: "only-if-cached before the rest of the request",
    reason: "Kubo answers a HEAD with 200 although the GET would be refused",
    permittedBy: 'RFC 9110 §9.3.2: HEAD is "identical to GET except that the server MUST NOT send content"',
    explains: ({ kind }, compared) =>
      kind === "status" &&
      compared.request.method === "HEAD" &&
      headerOf(compared.request, "cache-control") === "only-if-cached" &&
      hasStatuses(compared, [200], [206, 301, 304, 400, 404, 406, 416, 422, 501]),
  },
  {
    name: "error pages",
    reason: "Kubo answers some errors in text, whatever is accepted",
    permittedBy: "http-api.md rule 7: HTML if the browser asks",
    explains: ({ kind, kubo, ours }, compared) =>
      kind === "header:content-type" &&
      kubo === "text/plain" &&
      ours === "text/html" &&
      headerOf(compared.request, "accept")?.includes("text/html") === true &&
      hasStatuses(compared, [400, 405, 412], [400, 405, 412]),
  },
  {
    name: "?uri= without a root",
    reason: "Kubo redirects to a path that is none",
    permittedBy: "protocols.md §4.1, decision 2: ipfs:// or ipns://",
    explains: ({ kind }, compared) =>
      kind === "status" &&
      parameterOf(compared.request, "uri")?.includes("%2F%2F") === false &&
      hasStatuses(compared, [301], [400]),
  },
];
