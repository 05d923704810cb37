import { readCar, readTar } from "./read-archives.ts";
import type { Exchange, GatewayRequest } from "./send.ts";

/** One thing in which two answers differ, with what each said. */
export interface Difference {
  /** `status`, `broken`, `body` or `header:<name>`. */
  readonly kind: string;
  readonly kubo: string;
  readonly ours: string;
}

/** Headers to which the specifications give a meaning on answers of each class; what else Kubo leaves on an error is chance. */
const HEADERS_BY_CLASS: Readonly<Record<string, readonly string[]>> = {
  content: [
    "content-type",
    "content-length",
    "etag",
    "cache-control",
    "content-disposition",
    "content-location",
    "x-ipfs-path",
    "x-ipfs-roots",
    "location",
    "accept-ranges",
    "content-range",
    "last-modified",
    "x-content-type-options",
    "content-encoding",
    "vary",
  ],
  // https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5
  notModified: ["etag", "cache-control", "content-location", "last-modified", "vary"],
  redirect: ["location", "cache-control", "vary"],
  error: ["content-type", "cache-control", "content-range", "retry-after", "allow", "location"],
};

function headersFor({ status }: Exchange): readonly string[] {
  const kind =
    status < 300 ? "content" : status === 304 ? "notModified" : status < 400 ? "redirect" : "error";
  return HEADERS_BY_CLASS[kind] ?? [];
}

/** What differs between the two answers to one request. Of answers with different statuses nothing else is comparable. */
export function compareAnswers(request: GatewayRequest, kubo: Exchange, ours: Exchange): Difference[] {
  if (kubo.status !== ours.status) {
    return [{ kind: "status", kubo: statusText(kubo), ours: statusText(ours) }];
  }
  const differences = headersFor(kubo).flatMap((name) => compareHeader(name, request, kubo, ours));
  if (isBroken(kubo) !== isBroken(ours)) {
    differences.push({ kind: "broken", kubo: String(isBroken(kubo)), ours: String(isBroken(ours)) });
  }
  const [kuboBody, oursBody] = [bodyText(kubo), bodyText(ours)];
  if (kuboBody !== oursBody) differences.push({ kind: "body", kubo: kuboBody, ours: oursBody });
  return differences;
}

/** What Kubo writes into a body that it cannot finish. */
const TRUNCATED = "\n\n[Gateway Error: ";
const TAR_BLOCK_BYTES = 512;

/** Not whole. Kubo ends some transfers well and says within the bytes that they are not whole; in a TAR by the bare error. */
export function isBroken({ isComplete, body, headers }: Exchange): boolean {
  const isTar = headers["content-type"] === "application/x-tar";
  return !isComplete || body.includes(TRUNCATED) || (isTar && body.byteLength % TAR_BLOCK_BYTES !== 0);
}

function statusText({ status, body }: Exchange): string {
  return status < 400 ? String(status) : `${status} ${body.toString("utf8").slice(0, 160).trim()}`;
}

function compareHeader(name: string, request: GatewayRequest, kubo: Exchange, ours: Exchange): Difference[] {
  // How long an answer is may be left out of it; where both say it, it is the same, unless they made the text themselves.
  const both = kubo.headers[name] !== undefined && ours.headers[name] !== undefined;
  if (name === "content-length" && (!both || isOwnText(kubo) || isArchive(kubo))) return [];
  const [a, b] = [kubo, ours].map((exchange) => headerText(name, exchange, request));
  return a === b ? [] : [{ kind: `header:${name}`, kubo: a ?? "", ours: b ?? "" }];
}

/** Error texts and pages: each writes its own. */
function isOwnText({ status, headers }: Exchange): boolean {
  return status >= 300 || isGeneratedPage(headers);
}

/** Compared by what is in them. */
function isArchive({ headers }: Exchange): boolean {
  return /^application\/(?:x-tar|vnd\.ipld\.car;)/.test(headers["content-type"] ?? "");
}

/** A listing or preview says by its tag that it was generated. */
export function isGeneratedPage(headers: Exchange["headers"]): boolean {
  return /^(?:W\/)?"(?:DirIndex|DagIndex)-/.test(headers["etag"] ?? "");
}

function headerText(name: string, { headers, status }: Exchange, { method }: GatewayRequest): string {
  const text = headers[name];
  // A HEAD that failed needs no type.
  if (name === "content-type" && status >= 400 && method === "HEAD") return "(any)";
  if (text === undefined) return "(none)";
  switch (name) {
    case "etag":
      return etagForm(text);
    case "content-type":
      return contentTypeForm(text, status);
    default:
      return text;
  }
}

/** Tags of what is generated, or whose order is free, contain what each makes up; the CID in them counts. */
function etagForm(tag: string): string {
  return tag
    .replace(/^"(DirIndex|DagIndex)-.*_CID-/, '"$1-…_CID-')
    .replace(/^W\/"([^".]+)\.car\..*"$/, 'W/"$1.car.…"')
    .replace(/^"?[\w+/=-]{10,30}"?$/, (text) => (/^"(?:baf|Qm)/.test(text) ? text : "(a hash)"));
}

function contentTypeForm(type: string, status: number): string {
  // Errors: whether it is a page or text. Boundaries are made up.
  if (status >= 400) return type.replace(/;.*/s, "");
  return type.replace(/boundary=.*/s, "boundary=…");
}

function bodyText(exchange: Exchange): string {
  const { status, headers, body } = exchange;
  const type = headers["content-type"] ?? "";
  if (status >= 300) return "(any)";
  // How much has come before a transfer breaks is chance.
  if (isBroken(exchange)) return "(broken)";
  if (body.byteLength === 0) return "(empty)";
  if (isGeneratedPage(headers)) return /<html/i.test(body.toString("utf8")) ? "(a page)" : "(no page)";
  try {
    if (type.startsWith("application/vnd.ipld.car;"))
      return carText(body, { isOrdered: !type.includes("order=unk") });
    if (type === "application/x-tar") return readTar(body).toSorted().join("\n"); // Kubo reads shards in any order.
  } catch (err) {
    return `unreadable: ${String(err)}`;
  }
  return type.startsWith("multipart/byteranges") ? multipartText(body, type) : body.toString("latin1");
}

function carText(body: Buffer, { isOrdered }: { readonly isOrdered: boolean }): string {
  const { header, blocks } = readCar(body);
  return [header, ...(isOrdered ? blocks : blocks.toSorted())].join("\n");
}

/** Header lines of parts may come in any order. */
function multipartText(body: Buffer, type: string): string {
  const boundary = /boundary=(.*)$/.exec(type)?.[1] ?? "";
  return body
    .toString("latin1")
    .split(`--${boundary}`)
    .map((part) => {
      const [head = "", ...rest] = part.split("\r\n\r\n");
      return `${head.toLowerCase().split("\r\n").toSorted().join("\n")}\n\n${rest.join("\r\n\r\n")}`;
    })
    .join("\n--\n");
}
