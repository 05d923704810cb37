import { domainOf, HoldfastError, ipnsNameOfMultihash, parseCid, parseIpnsName } from "@holdfast/core";
import { base32 } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { CID } from "multiformats/cid";

/** @see https://www.rfc-editor.org/rfc/rfc1034#section-3.1 */
const LABEL_LENGTH_MAX = 63;

/**
 * The one label under which a CID has its origin: version 1 in base32, or in base36 when that is too long.
 *
 * @throws HoldfastError `INVALID_CID` when it is too long in every base.
 * @see https://specs.ipfs.tech/http-gateways/subdomain-gateway/#host-request-header
 */
export function labelOfCid(cid: CID): string {
  const v1 = CID.createV1(cid.code, cid.multihash);
  const inBase32 = v1.toString(base32);
  if (inBase32.length <= LABEL_LENGTH_MAX) return inBase32;
  const inBase36 = v1.toString(base36);
  if (inBase36.length <= LABEL_LENGTH_MAX) return inBase36;
  throw new HoldfastError("INVALID_CID", `CID incompatible with DNS label length limit of 63: ${inBase36}`);
}

/**
 * The one label under which an IPNS name has its origin, in base36. A CID of another codec is taken for the name of the same
 * key, because such spellings are in use. Undefined for what is no name.
 */
export function labelOfIpnsName(text: string): string | undefined {
  try {
    return parseIpnsName(text).text;
  } catch {
    // It may be a CID with a codec that no name has.
  }
  const cid = cidIn(text);
  if (cid === undefined) return undefined;
  try {
    return ipnsNameOfMultihash(cid.multihash.bytes).text;
  } catch {
    // Its multihash is none of a key.
    return undefined;
  }
}

export function cidIn(text: string): CID | undefined {
  try {
    return parseCid(text);
  } catch {
    return undefined;
  }
}

/**
 * A domain as one label: `en.wikipedia-on-ipfs.org` → `en-wikipedia--on--ipfs-org`, for certificates with one wildcard.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when it is too long.
 * @see https://specs.ipfs.tech/http-gateways/subdomain-gateway/#host-request-header
 */
export function inlineDomain(domain: string): string {
  const label = domain.replaceAll("-", "--").replaceAll(".", "-");
  if (label.length <= LABEL_LENGTH_MAX) return label;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `inlined DNSLink incompatible with DNS label length limit of 63: ${label}`,
  );
}

/** The inverse of {@link inlineDomain}. */
export function uninlineDomain(label: string): string {
  return label.replaceAll(/--?/g, (dashes) => (dashes === "-" ? "." : "-"));
}

/** The domain that the root of an `/ipns` path names, inlined or not; undefined when it names none. */
export function domainIn(root: string): string | undefined {
  return domainOf(root.includes(".") ? root : uninlineDomain(root));
}
