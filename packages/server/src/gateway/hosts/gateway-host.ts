import { domainOf } from "@holdfast/core";
import { isIpAddress, parseHostName, type HostName } from "./host-name.ts";

/** A host that is known to be a gateway, by configuration. */
export interface GatewayHost {
  /** Lower case. With `:port` it stands for that port only, without for every port. */
  readonly host: string;
  /** `subdomain`: content has an origin of its own at `{root}.{ipfs|ipns}.{host}`. `path`: it has not, and no DNSLink. */
  readonly mode: "subdomain" | "path";
  /** Domains are one label under this host (`en-wikipedia--on--ipfs-org.ipns.…`), without TLS too. */
  readonly inlinesDomains: boolean;
}

export type HostClass =
  /** Not a domain that may have a DNSLink: an address, a single label, a host with `path`, rubbish. */
  | { readonly kind: "path" }
  | { readonly kind: "gateway"; readonly gateway: GatewayHost; readonly linkHost: string }
  | {
      readonly kind: "subdomain";
      readonly gateway: GatewayHost;
      readonly namespace: "ipfs" | "ipns";
      /** As the client wrote it. */
      readonly label: string;
      /** `host[:port]` of the gateway. */
      readonly linkHost: string;
    }
  /** Whether there is content depends on the DNSLink of the domain. */
  | { readonly kind: "domain"; readonly domain: string; readonly linkHost: string };

/** Says what a host is. Pure: what it says of a text can be kept. */
export class GatewayHosts {
  readonly #byHost: ReadonlyMap<string, GatewayHost>;

  constructor(gateways: readonly GatewayHost[]) {
    this.#byHost = new Map(gateways.map((gateway) => [gateway.host, gateway]));
  }

  classify(text: string): HostClass {
    const host = parseHostName(text);
    if (host === undefined || isIpAddress(host.name)) return { kind: "path" };
    const gateway = this.#gatewayOf(host.name, host.port);
    if (gateway?.mode === "path") return { kind: "path" };
    const linkHost = host.name + host.port;
    if (gateway !== undefined) return { kind: "gateway", gateway, linkHost };
    const below = this.#subdomainOf(host);
    if (below !== undefined) return below;
    const domain = domainOf(host.name);
    return domain === undefined ? { kind: "path" } : { kind: "domain", domain, linkHost };
  }

  /** From the right, so that `a.ipfs.tech.ipns.dweb.link` is a name under `dweb.link`. */
  #subdomainOf({ name, spelling, port }: HostName): HostClass | undefined {
    const labels = name.split(".");
    for (let i = labels.length - 1; i >= 2; i--) {
      const gatewayName = labels.slice(i).join(".");
      const gateway = this.#gatewayOf(gatewayName, port);
      const namespace = labels[i - 1];
      if (gateway === undefined || (namespace !== "ipfs" && namespace !== "ipns")) continue;
      const label = spelling
        .split(".")
        .slice(0, i - 1)
        .join(".");
      return { kind: "subdomain", gateway, namespace, label, linkHost: gatewayName + port };
    }
    return undefined;
  }

  #gatewayOf(name: string, port: string): GatewayHost | undefined {
    return (port === "" ? undefined : this.#byHost.get(name + port)) ?? this.#byHost.get(name);
  }
}
