import { type ContentPath, domainOf, HoldfastError, isHoldfastError, parseContentPath } from "@holdfast/core";
import { cidIn, domainIn, inlineDomain, labelOfCid, labelOfIpnsName } from "./dns-label.ts";
import type { HostClass } from "./gateway-host.ts";
import { splitTarget } from "../request-path.ts";
import { type ContentOrigin, safeTarget } from "./content-origin.ts";

export interface HostedRequest {
  readonly method: string;
  /** The request target in origin form: `/path?query`. */
  readonly target: string;
  readonly host: HostClass;
  /** Whether the client speaks TLS, to us or to a proxy in front. */
  readonly isHttps: boolean;
  /** Whether this node has a route of its own, other than `/ipfs` and `/ipns`, at a path. */
  readonly isOwnPath: (path: string) => boolean;
}

export type HostDecision =
  /** The host changes nothing: our own API, and a path gateway. */
  | { readonly kind: "plain" }
  /** 301: the content has an origin of its own. */
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "origin"; readonly origin: ContentOrigin }
  /** As `origin` if the domain `origin.root` has a DNSLink, else as `plain`. */
  | { readonly kind: "origin-if-linked"; readonly origin: ContentOrigin };

const PLAIN: HostDecision = { kind: "plain" };
const READS: readonly string[] = ["GET", "HEAD"];

/**
 * Decides what the host of a request makes of it.
 *
 * | host                                  | `/ipfs/…`, `/ipns/…`            | our own paths | everything else        |
 * | ------------------------------------- | ------------------------------- | ------------- | ---------------------- |
 * | an address, `host=path`               | path gateway                    | served        | 404                    |
 * | a gateway with subdomains             | 301 to `{root}.{ns}.{host}`     | served        | its DNSLink, or 404    |
 * | `{root}.{ipfs\|ipns}.{gateway}`       | paths inside the root           | ”             | ”                      |
 * | another domain                        | its DNSLink, or path gateway    | served        | its DNSLink, or 404    |
 *
 * Our own paths win on hosts that may be the origin of content: no client of the API may depend on what DNS says of the name
 * under which it reaches us.
 *
 * @throws HoldfastError `INVALID_CID`, `INVALID_NAME`, `INVALID_ARGUMENT` when the root cannot be (in) a host name;
 *  `METHOD_NOT_ALLOWED` on an origin of content.
 * @see https://specs.ipfs.tech/http-gateways/subdomain-gateway/
 */
export function decideByHost(request: HostedRequest): HostDecision {
  const { host, method } = request;
  if (host.kind === "path") return PLAIN;
  if (host.kind === "subdomain") return onSubdomain(request, host);
  if (!READS.includes(method)) return PLAIN;
  const { encoded: path } = splitTarget(safeTarget(request.target));
  if (host.kind === "gateway") {
    const content = contentPathIn(path);
    if (content !== undefined) return toSubdomain(request, host, content);
    const domain = domainOf(host.linkHost.replace(/:\d+$/, ""));
    if (isContentPath(path) || request.isOwnPath(path) || domain === undefined) return PLAIN;
    return originIfLinked(domain, host.linkHost);
  }
  return request.isOwnPath(path) ? PLAIN : originIfLinked(host.domain, host.linkHost);
}

/** Whether a path gateway serves this path, or a target with it. */
export function isContentPath(path: string): boolean {
  return /^\/ip[fn]s(?:[/?]|$)/.test(path);
}

function originIfLinked(domain: string, linkHost: string): HostDecision {
  const origin = { namespace: "ipns", root: domain, isDnslink: true, linkHost } as const;
  return { kind: "origin-if-linked", origin };
}

/** `/ipfs/{root}/…` on a gateway. What has no place in a host name is left to the path gateway, which says what is wrong. */
function toSubdomain(
  request: HostedRequest,
  { gateway, linkHost }: Extract<HostClass, { kind: "gateway" }>,
  content: ContentPath,
): HostDecision {
  const { namespace, root } = content;
  const { encoded: path, queryText } = splitTarget(safeTarget(request.target));
  const label =
    namespace === "ipfs"
      ? labelOfCidText(root, path)
      : (labelOfIpnsName(root) ?? labelOfDomain(root, gateway.inlinesDomains || request.isHttps));
  if (label === undefined) return PLAIN;
  const prefix = `/${namespace}/${root}`;
  // The rest as the client wrote it, unless the root was written with escapes.
  const isAsWritten = path === prefix || path.startsWith(`${prefix}/`);
  const rest = isAsWritten ? path.slice(prefix.length) : formatSegments(content, path);
  return redirect(request, `${label}.${namespace}.${linkHost}`, `${rest === "" ? "/" : rest}${queryText}`);
}

function labelOfCidText(root: string, path: string): string | undefined {
  const cid = cidIn(root);
  if (cid !== undefined) return labelOfCid(cid);
  // Such a path is corrected by the path gateway.
  if (root === "ipfs" || root === "ipns") return undefined;
  throw new HoldfastError("INVALID_CID", `invalid path ${JSON.stringify(path.slice(0, 200))}: not a CID`);
}

function labelOfDomain(root: string, isInlined: boolean): string | undefined {
  const domain = domainIn(root);
  return domain !== undefined && isInlined ? inlineDomain(domain) : domain;
}

function onSubdomain(request: HostedRequest, host: Extract<HostClass, { kind: "subdomain" }>): HostDecision {
  const { gateway, label, namespace, linkHost } = host;
  if (gateway.mode === "path") throw new HoldfastError("ROUTE_NOT_FOUND", "404 page not found");
  if (!READS.includes(request.method)) {
    throw new HoldfastError("METHOD_NOT_ALLOWED", "405 - Method Not Allowed", {
      details: { headers: { Allow: "GET, HEAD, OPTIONS" } },
    });
  }
  const lowerCase = label.toLowerCase();
  const canonical = namespace === "ipfs" ? canonicalCidLabel(label) : labelOfIpnsName(label);
  if (canonical !== undefined && canonical !== lowerCase) {
    const { encoded: path, queryText } = splitTarget(safeTarget(request.target));
    return redirect(request, `${canonical}.${namespace}.${linkHost}`, path + queryText);
  }
  const root = canonical ?? domainIn(label);
  if (root === undefined) {
    throw new HoldfastError("INVALID_NAME", `invalid path ${JSON.stringify(`/ipns/${label}`)}: not a name`);
  }
  return { kind: "origin", origin: { namespace, root, isDnslink: false, linkHost } };
}

/** Hosts have no case, and clients are free to change it; where that makes another CID, theirs is lost. */
function canonicalCidLabel(label: string): string {
  const cid = cidIn(label) ?? cidIn(label.toLowerCase());
  if (cid !== undefined) return labelOfCid(cid);
  throw new HoldfastError("INVALID_CID", `invalid path ${JSON.stringify(`/ipfs/${label}`)}: not a CID`);
}

function redirect({ isHttps }: HostedRequest, host: string, pathAndQuery: string): HostDecision {
  return { kind: "redirect", location: `${isHttps ? "https" : "http"}://${host}${pathAndQuery}` };
}

/** Undefined for what the path gateway would refuse, too. */
function contentPathIn(path: string): ContentPath | undefined {
  try {
    return parseContentPath(path);
  } catch (err) {
    if (isHoldfastError(err)) return undefined;
    throw err;
  }
}

function formatSegments({ segments }: ContentPath, path: string): string {
  const end = segments.length > 0 && path.endsWith("/") ? "/" : "";
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("") + end;
}
