import type { Site } from "../content-request.ts";
import type { RequestPath } from "../request-path.ts";
import { encodeSegment, escapeHtml } from "./page.ts";

/**
 * The content path as links, one for each segment. They lead to the path gateway; on a DNSLink host, which has none, to the
 * host itself.
 */
export function breadcrumbs({ namespace, root, segments }: RequestPath, site: Site | undefined): string {
  const isDnslink = site?.isDnslink === true;
  const base = `${site?.gatewayUrl ?? ""}${isDnslink ? "" : `/${namespace}/${encodeSegment(root)}`}`;
  const crumbs = [root, ...segments].map((name, depth) => {
    const below = segments.slice(0, depth).map((segment) => `/${encodeSegment(segment)}`);
    const href = depth === 0 && isDnslink ? `${base}/` : `${base}${below.join("")}`;
    return `<a href="${escapeHtml(href)}">${escapeHtml(name)}</a>`;
  });
  return `/${namespace}/${crumbs.join("/")}`;
}

/** Where another CID is shown. Nobody promises a gateway beside a DNSLink site, so there the CID is explained elsewhere. */
export function cidHref(cid: string, site: Site | undefined, filename?: string): string {
  if (site?.isDnslink === true)
    return `href="https://cid.ipfs.tech/#${cid}" target="_blank" rel="noreferrer noopener"`;
  // Escaped twice, as boxo does it.
  const query = filename === undefined ? "" : `?filename=${encodeURIComponent(encodeSegment(filename))}`;
  return `href="${escapeHtml(site?.gatewayUrl ?? "")}/ipfs/${cid}${query}"`;
}
