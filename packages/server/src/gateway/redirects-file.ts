/**
 * The `_redirects` file of a website: what is answered for paths that the site does not have.
 *
 * @see https://specs.ipfs.tech/http-gateways/web-redirects-file/
 */

export const REDIRECTS_FILE_BYTES_MAX = 65_536;

const REDIRECT_STATUSES = [301, 302, 303, 307, 308] as const;
const PAGE_STATUSES = [200, 404, 410, 451] as const;

type RedirectStatus = (typeof REDIRECT_STATUSES)[number];
/** 200 serves another path in place of the one that was asked for; the others do so as an error page. */
export type PageStatus = (typeof PAGE_STATUSES)[number];

export interface RedirectRule {
  /** Starts with `/`. */
  readonly from: string;
  /** Starts with `/`, or with a scheme. */
  readonly to: string;
  readonly status: RedirectStatus | PageStatus;
}

export type RedirectMatch =
  | { readonly kind: "redirect"; readonly status: RedirectStatus; readonly location: string }
  | { readonly kind: "page"; readonly status: PageStatus; readonly path: string };

/** Why a file is refused as a whole; the message completes `could not parse _redirects: …`. */
export class RedirectsFileError extends Error {
  override readonly name = "RedirectsFileError";
}

/**
 * Reads a `_redirects` file: a rule a line, `from to [status]`, comments after `#` at the start of a line.
 *
 * @throws RedirectsFileError for a line that is not a rule, and for more than {@link REDIRECTS_FILE_BYTES_MAX} bytes.
 */
export function parseRedirectsFile(bytes: Uint8Array): readonly RedirectRule[] {
  if (bytes.byteLength > REDIRECTS_FILE_BYTES_MAX)
    throw new RedirectsFileError(`redirects file size cannot exceed ${REDIRECTS_FILE_BYTES_MAX} bytes`);
  const lines = new TextDecoder().decode(bytes).split("\n");
  return lines.flatMap((line, i) => {
    const text = line.trim();
    return text === "" || text.startsWith("#") ? [] : [parseRule(text.split(/\s+/), i + 1)];
  });
}

/**
 * The first rule that matches, applied.
 *
 * @param segments the names on the way from the root of the site, decoded. Its root always exists and matches nothing.
 * @param queryText the request's, with its `?`, or empty. Its parameters follow those of a redirect's target.
 */
export function applyRedirects(
  rules: readonly RedirectRule[],
  segments: readonly string[],
  queryText: string,
): RedirectMatch | undefined {
  if (segments.length === 0) return undefined;
  for (const { from, to, status } of rules) {
    const values = matchPath(from, segments);
    if (values === undefined) continue;
    const target = fillIn(to, values);
    return isPageStatus(status)
      ? { kind: "page", status, path: withoutQuery(target) }
      : { kind: "redirect", status, location: inAscii(withQuery(target, queryText)) };
  }
  return undefined;
}

function parseRule(fields: readonly string[], line: number): RedirectRule {
  const [from = "", to, status] = fields;
  const refuse = (why: string): never => {
    throw new RedirectsFileError(`line ${line}: ${why}`);
  };
  if (to === undefined) return refuse("missing 'to' path");
  if (fields.length > 3) return refuse("must match format 'from to [status]'");
  const problem = problemOfFrom(from) ?? problemOfTo(to) ?? problemOfStatus(status);
  if (problem !== undefined) return refuse(problem);
  return { from, to, status: statusOf(status) ?? 301 };
}

function problemOfFrom(from: string): string | undefined {
  if (!from.startsWith("/")) return "parsing 'from': path must begin with '/'";
  const asteriskAt = from.indexOf("*");
  if (asteriskAt >= 0 && asteriskAt !== from.length - 1)
    return "parsing 'from': path can have at most one asterisk, at its end";
  const placeholders = from.split("/").filter((segment) => segment.startsWith(":"));
  if (new Set(placeholders).size !== placeholders.length)
    return "parsing 'from': path has the same placeholder twice";
  return hasUrlForm(from) ? undefined : "parsing 'from': not a URL path";
}

function problemOfTo(to: string): string | undefined {
  if (!to.startsWith("/") && !/^(?:https?|ip[fn]s):\/\//i.test(to)) return "parsing 'to': invalid URL scheme";
  return hasUrlForm(to) ? undefined : "parsing 'to': not a URL";
}

function problemOfStatus(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text.endsWith("!"))
    return `parsing status ${JSON.stringify(text)}: forced redirects (or "shadowing") are not supported`;
  return statusOf(text) === undefined
    ? `parsing status: ${JSON.stringify(text)} is not supported`
    : undefined;
}

function statusOf(text: string | undefined): RedirectRule["status"] | undefined {
  return [...REDIRECT_STATUSES, ...PAGE_STATUSES].find((status) => String(status) === text);
}

/** No control characters, and every `%` begins an escape. */
function hasUrlForm(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- these are what a URL must not contain
  return !/[\x00-\x1f\x7f]|%(?![0-9a-f]{2})/i.test(text);
}

function isPageStatus(status: RedirectRule["status"]): status is PageStatus {
  return PAGE_STATUSES.some((each) => each === status);
}

/** The values of the placeholders, and of the splat, escaped for a URL; undefined when the path does not match. */
function matchPath(from: string, segments: readonly string[]): ReadonlyMap<string, string> | undefined {
  const pattern = from.replace(/\/$/, "").split("/").slice(1);
  const hasSplat = pattern.at(-1) === "*";
  const fixed = hasSplat ? pattern.slice(0, -1) : pattern;
  if (hasSplat ? segments.length <= fixed.length : segments.length !== fixed.length) return undefined;
  const values = new Map<string, string>([
    ["splat", segments.slice(fixed.length).map(escapeSegment).join("/")],
  ]);
  for (const [i, expected] of fixed.entries()) {
    const segment = segments[i] ?? "";
    if (expected.startsWith(":")) values.set(expected.slice(1), escapeSegment(segment));
    else if (expected !== segment && decoded(expected) !== segment) return undefined;
  }
  return values;
}

/** In one pass: what comes from the request is never taken for a placeholder itself. The longest name counts. */
function fillIn(to: string, values: ReadonlyMap<string, string>): string {
  const names = [...values.keys()].filter((name) => name !== "").toSorted((a, b) => b.length - a.length);
  return to.replaceAll(/:([^/:?#]+)/g, (whole, text: string) => {
    const name = names.find((each) => text.startsWith(each));
    return name === undefined ? whole : (values.get(name) ?? "") + text.slice(name.length);
  });
}

/** As a segment of a URL; characters that are allowed in one stay readable. */
function escapeSegment(segment: string): string {
  return encodeURIComponent(segment.toWellFormed()).replaceAll(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, (escape) =>
    decodeURIComponent(escape),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Escapes that are not UTF-8 match only themselves.
    return text;
  }
}

/** A header can hold nothing else. */
function inAscii(url: string): string {
  return url.replaceAll(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character.toWellFormed()));
}

function withoutQuery(target: string): string {
  return target.replace(/[?#].*$/s, "");
}

/** As boxo does it: both sets of parameters, sorted by name, the target's own first. */
function withQuery(target: string, queryText: string): string {
  if (queryText.length <= 1) return target;
  const [, base = "", ownQuery = "", fragment = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(target) ?? [];
  const query = new URLSearchParams([...new URLSearchParams(ownQuery), ...new URLSearchParams(queryText)]);
  query.sort();
  return `${base}?${query.toString()}${fragment}`;
}
