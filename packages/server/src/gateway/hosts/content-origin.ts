import { parseContentPath } from "@holdfast/core";
import type { Site } from "../content-request.ts";
import { type RequestPath, splitTarget } from "../request-path.ts";

/**
 * A content root that has an origin of its own: `{cid}.ipfs.{gateway}`, `{name}.ipns.{gateway}` or a domain with a DNSLink.
 * Nothing but what is below the root is served there.
 */
export interface ContentOrigin {
  readonly namespace: "ipfs" | "ipns";
  /** A CID, an IPNS name or a domain, canonical. */
  readonly root: string;
  /** The host is a domain with a DNSLink, not a subdomain of a gateway. */
  readonly isDnslink: boolean;
  /** `host[:port]`, of the gateway on a subdomain, else of the domain itself. */
  readonly linkHost: string;
}

/**
 * The content path of a request to such an origin. `encoded` is what the client sees, without namespace and root.
 *
 * @param target the request target, in origin form.
 * @throws HoldfastError `INVALID_PATH`.
 */
export function pathOnOrigin({ namespace, root }: ContentOrigin, target: string): RequestPath {
  const url = splitTarget(safeTarget(target));
  const { segments } = parseContentPath(`/${namespace}/${root}${url.encoded}`);
  return { namespace, root, segments, hasTrailingSlash: url.encoded.endsWith("/"), ...url };
}

export function siteOf({ isDnslink, linkHost }: ContentOrigin): Site {
  return { gatewayUrl: `//${linkHost}`, isDnslink };
}

/**
 * A target that may be repeated in a `Location`: with exactly one slash at its start, because two would lead to another host,
 * and without a backslash, which browsers take for a slash. Targets come as latin1, one character for each byte; escapes are
 * left alone.
 */
export function safeTarget(target: string): string {
  const escaped = target.replaceAll(
    /[^\x21-\x7e]|["<>\\^`{|}]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
  return `/${escaped.replace(/^\/+/, "")}`;
}
