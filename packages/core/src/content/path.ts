import { HoldfastError } from "../errors.ts";

export interface ContentPath {
  readonly namespace: "ipfs" | "ipns";
  /** A CID, an IPNS name or a domain, unparsed; never empty, never with a slash. */
  readonly root: string;
  /** Never empty, `.`, `..` or with a slash in it: joined by `/` they are one path again. */
  readonly segments: readonly string[];
}

/** Longer than any request line a server takes, and than any record's value. */
const PATH_LENGTH_MAX = 16_384;

/**
 * Splits `/ipfs/…` or `/ipns/…`, as it stands in a URL, without query and fragment.
 *
 * The path is percent-decoded exactly once and split afterwards, as Kubo does: an escaped slash separates too.
 * Empty segments (`//`, a slash at the end) are dropped. `.` and `..` are refused, escaped or not: URLs resolve them
 * before they are sent, no directory has an entry of that name, and nothing later should have to think about them.
 *
 * @param options.percentEncoded false for a path that is not of a URL, such as the value of a record: `%` is itself.
 * @throws HoldfastError `INVALID_PATH`: another namespace, no root, a malformed escape, `.` or `..`, too long.
 * @see https://specs.ipfs.tech/http-gateways/path-gateway/#path-request-parameter
 */
export function parseContentPath(
  path: string,
  options: { readonly percentEncoded?: boolean } = {},
): ContentPath {
  if (path.length > PATH_LENGTH_MAX) throw invalidPath(`${path.length} characters are too many`);
  const decoded = (options.percentEncoded ?? true) ? decodeEscapes(path) : path;
  if (!decoded.isWellFormed()) throw invalidPath("it is not Unicode text");
  const [before, namespace, root, ...rest] = decoded.split("/");
  if (before !== "" || (namespace !== "ipfs" && namespace !== "ipns")) {
    throw invalidPath("it starts neither with /ipfs/ nor with /ipns/");
  }
  if (root === undefined || root === "") throw invalidPath("it has no root");
  const segments = rest.filter((segment) => segment !== "");
  if ([root, ...segments].some((segment) => segment === "." || segment === "..")) {
    throw invalidPath("it contains . or ..");
  }
  return { namespace, root, segments };
}

/** The URL form: the inverse of {@link parseContentPath}. */
export function formatContentPath({ namespace, root, segments }: ContentPath): string {
  return `/${[namespace, root, ...segments].map(encodeURIComponent).join("/")}`;
}

function decodeEscapes(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (err) {
    throw invalidPath("it contains a malformed escape", err);
  }
}

function invalidPath(why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("INVALID_PATH", `not a content path: ${why}`, { cause });
}
