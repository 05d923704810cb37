import { HoldfastError, isHoldfastError, parseCid, parseContentPath, parseIpnsName } from "@holdfast/core";
import type { GatewayAnswer } from "./answer.ts";
import { redirect } from "./caching.ts";
import { locationText, splitTarget } from "./request-path.ts";

/**
 * What is decided by the URL alone, before it is read as a content path: decisions 2 to 5 of protocols.md §4.1.
 *
 * | Request | Answer |
 * |---|---|
 * | `?uri=ipfs://…`, `?uri=ipns://…` (a browser's protocol handler) | 301 to the path |
 * | `Service-Worker: script` for a whole namespace root | 400 |
 * | `/ipns/` and a spelling of a name that is not base36 | 302 to that spelling |
 * | `/ipfs/ipfs/…`, `/ipfs/ipns/…` | 301 without the first part |
 *
 * @param target the request target, untouched.
 * @returns undefined when it is a request for content.
 * @throws HoldfastError `INVALID_ARGUMENT`, `INVALID_PATH`, `INVALID_CID`.
 */
export function answerBeforePath(
  target: string,
  { isServiceWorker }: { readonly isServiceWorker: boolean },
): GatewayAnswer | undefined {
  const { encoded, query, queryText } = splitTarget(target);
  const uri = query.get("uri");
  if (uri !== null && uri !== "") return redirect(301, pathOfUri(uri));
  if (isServiceWorker && /^\/ip[fn]s\/[^/]+$/.test(encoded)) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      "navigator.serviceWorker: registration is not allowed for this scope",
    );
  }
  if (/^\/ipfs\/ip[fn]s\//.test(encoded)) {
    const intended = encoded.slice("/ipfs".length);
    const { namespace, root } = parseContentPath(intended);
    if (namespace === "ipfs") parseCid(root);
    return redirect(301, locationText(intended + queryText));
  }
  const [, root, rest = ""] = /^\/ipns\/([^/]+)(\/.*)?$/s.exec(encoded) ?? [];
  const canonical = root === undefined ? undefined : canonicalName(root);
  if (canonical === undefined || canonical === root) return undefined;
  return redirect(302, locationText(`/ipns/${canonical}${rest}${queryText}`));
}

function pathOfUri(uri: string): string {
  const [, scheme = "", root = "", path = "", query = ""] =
    /^(ip[fn]s):\/\/([^/?#\s]+)([^?#]*)(\?[^#]*)?/i.exec(uri) ?? [];
  if (root === "") {
    throw new HoldfastError("INVALID_ARGUMENT", "the uri parameter must be ipfs://… or ipns://…");
  }
  return locationText(`/${scheme.toLowerCase()}/${root}${path}${query}`);
}

/** Undefined for a domain, and for what the resolution will refuse. */
function canonicalName(root: string): string | undefined {
  try {
    return parseIpnsName(decodeURIComponent(root)).text;
  } catch (err) {
    // A malformed escape is refused where the path is read.
    if (isHoldfastError(err) || err instanceof URIError) return undefined;
    throw err;
  }
}
