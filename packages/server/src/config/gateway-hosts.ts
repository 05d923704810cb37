import { domainOf, isLinkPath } from "@holdfast/core";

/** A host that is a gateway; `gateway/hosts/gateway-host.ts` says what each field means. */
export interface GatewayHostSetting {
  readonly host: string;
  readonly mode: "subdomain" | "path";
  readonly inlinesDomains: boolean;
}

/**
 * Comma list of `host=subdomain`, `host=subdomain+dnslink` or `host=path`; the host may have a port. `none` is the empty list.
 *
 * @throws Error that completes the sentence about the setting.
 */
export function parseGatewayHosts(text: string): readonly GatewayHostSetting[] {
  if (text.trim() === "none") return [];
  const hosts = itemsOf(text).map(parseGatewayHost);
  const twice = hosts.find(({ host }, i) => hosts.findIndex((other) => other.host === host) !== i);
  if (twice !== undefined) throw new Error(`has ${twice.host} twice`);
  return hosts;
}

function parseGatewayHost(item: string): GatewayHostSetting {
  const [, written = "", modes = ""] = /^([^=]+)=(.*)$/.exec(item) ?? [];
  const host = written.trim().toLowerCase();
  const [, name = ""] = /^([a-z0-9._-]+)(?::\d{1,5})?$/.exec(host) ?? [];
  const mode = modes.trim();
  if (name === "" || !["path", "subdomain", "subdomain+dnslink"].includes(mode))
    throw new Error("is not a comma list of host=subdomain, host=subdomain+dnslink or host=path");
  if (/(?:^|\.)\d+$/.test(name) && mode !== "path")
    throw new Error(`has the address ${name}, which cannot have subdomains`);
  return {
    host,
    mode: mode === "path" ? "path" : "subdomain",
    inlinesDomains: mode === "subdomain+dnslink",
  };
}

/**
 * Comma list of `domain:/ipfs/…` or `domain:/ipns/…`.
 *
 * @throws Error that completes the sentence about the setting.
 */
export function parseDnslinkMap(text: string): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const item of itemsOf(text)) {
    const colonAt = item.indexOf(":");
    const domain = domainOf(item.slice(0, Math.max(0, colonAt)));
    const path = item.slice(colonAt + 1);
    if (domain === undefined || !isLinkPath(path))
      throw new Error("is not a comma list of domain:/ipfs/{cid}… or domain:/ipns/{name}…");
    if (map.has(domain)) throw new Error(`has ${domain} twice`);
    map.set(domain, path);
  }
  return map;
}

export type DnsSetting =
  | { readonly kind: "system" | "off" }
  | { readonly kind: "https"; readonly url: string };

/**
 * `system`, `off`, or the URL of a DNS-over-HTTPS server. Without TLS only on loopback: answers in the clear could be changed
 * by anybody on the way.
 *
 * @throws Error that completes the sentence about the setting.
 */
export function parseDns(text: string): DnsSetting {
  if (text === "system" || text === "off") return { kind: text };
  const url = URL.parse(text);
  const isSafe =
    url?.protocol === "https:" ||
    (url?.protocol === "http:" && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname));
  if (url === null || !isSafe || url.search !== "" || url.hash !== "" || url.username !== "")
    throw new Error("is not system, off or an https:// URL without a query");
  return { kind: "https", url: url.href };
}

function itemsOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
