import { HoldfastError, isHoldfastError } from "../errors.ts";
import { parseIpnsName } from "../ipns/name.ts";
import { parseCid } from "./cid.ts";
import { domainOf } from "./domain.ts";
import { parseContentPath } from "./path.ts";

const PREFIX = "dnslink=";

/**
 * The content path in the TXT records of `_dnslink.{domain}`, as it stands there; undefined when there is none. What is no
 * DNSLink is ignored: other records stand there too.
 *
 * @param texts one for each record, its strings joined.
 * @throws HoldfastError `INVALID_PATH` when several are valid and differ: nobody could say which is meant.
 * @see https://dnslink.dev/#format
 */
export function selectDnslink(texts: readonly string[]): string | undefined {
  const paths = new Set(
    texts
      .filter((text) => text.startsWith(PREFIX))
      .map((text) => text.slice(PREFIX.length))
      .filter(isLinkPath),
  );
  if (paths.size > 1) throw new HoldfastError("INVALID_PATH", "the domain has more than one DNSLink");
  const [path] = paths;
  return path;
}

/** Whether a DNSLink may have this path: `/ipfs/{cid}…`, `/ipns/{name}…` or `/ipns/{domain}…`. */
export function isLinkPath(text: string): boolean {
  try {
    const { namespace, root } = parseContentPath(text, { percentEncoded: false });
    if (namespace === "ipfs") parseCid(root);
    else if (domainOf(root) === undefined) parseIpnsName(root);
    return true;
  } catch (err) {
    if (isHoldfastError(err)) return false;
    throw err;
  }
}
