import type { IncomingMessage, ServerResponse } from "node:http";
import { HoldfastError } from "@holdfast/core";
import { type ContentOrigin, safeTarget } from "../gateway/hosts/content-origin.ts";
import { decideByHost, isContentPath } from "../gateway/hosts/decide-by-host.ts";
import { type GatewayHost, GatewayHosts, type HostClass } from "../gateway/hosts/gateway-host.ts";
import type { Dnslinks } from "../records/dnslinks.ts";
import { ClientAddresses } from "./client-address.ts";
import { Generations } from "./generations.ts";
import { closeSignal } from "./request-facts.ts";

export interface HostRoutingParts {
  /** Absent: no domain has a DNSLink. */
  readonly dnslinks: Dnslinks | undefined;
}

export interface HostRoutingOptions {
  readonly gatewayHosts: readonly GatewayHost[];
  /** Whose `X-Forwarded-Host` and `X-Forwarded-Proto` are believed; when empty, this machine's. */
  readonly trustedProxies: readonly string[];
  /** Whether this node has a route of its own, other than `/ipfs` and `/ipns`, at a path. */
  readonly isOwnPath: (path: string) => boolean;
}

/** A request to content that has an origin of its own. */
export interface RequestOnOrigin {
  readonly origin: ContentOrigin;
  /** The request target that the client sent, in origin form; that of the request is one for a path gateway. */
  readonly target: string;
}

const CLASSES_MAX = 4_096;
/** Longer ones are not kept: a name has at most 253 characters. */
const KEPT_HOST_LENGTH_MAX = 300;
/** The configuration may change, so no browser should believe it for ever. */
const REDIRECT_CACHE_CONTROL = "public, max-age=3600";

const onOrigin = new WeakMap<IncomingMessage, RequestOnOrigin>();

/** Undefined on a path gateway. */
export function requestOnOrigin(request: IncomingMessage): RequestOnOrigin | undefined {
  return onOrigin.get(request);
}

/** Looks at the host of each request before anything else does, and turns what is for content into a path gateway's request. */
export class HostRouting {
  readonly #dnslinks: Dnslinks | undefined;
  readonly #isOwnPath: (path: string) => boolean;
  readonly #hosts: GatewayHosts;
  readonly #addresses: ClientAddresses;
  readonly #classes = new Generations<HostClass>(CLASSES_MAX);

  constructor({ dnslinks }: HostRoutingParts, options: HostRoutingOptions) {
    this.#dnslinks = dnslinks;
    this.#isOwnPath = options.isOwnPath;
    this.#hosts = new GatewayHosts(options.gatewayHosts);
    this.#addresses = new ClientAddresses(options.trustedProxies);
  }

  /** Whether the host changes nothing, as can be said at once. What is not plain for sure goes through {@link route}. */
  isPlain(request: IncomingMessage): boolean {
    const { rawHeaders, url = "" } = request;
    if (!url.startsWith("/")) return url === "*";
    let host: string | undefined;
    // The parsed headers cost more than all the rest of a fast answer.
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const key = rawHeaders[i] ?? "";
      if (key.length === 4 && key.toLowerCase() === "host") host ??= rawHeaders[i + 1];
      else if (key.length === 16 && key.toLowerCase() === "x-forwarded-host")
        return this.#isPlainOn(this.#hostOf(request), url) && !this.#needsVary(request, url);
    }
    return this.#isPlainOn(this.#classOf(host ?? ""), url);
  }

  /**
   * Where a request that is not plain was sent to: beside its target, all that decides about the answer. Undefined when the
   * target says it itself.
   */
  scopeOf(request: IncomingMessage): string | undefined {
    if (request.url?.startsWith("/") !== true) return undefined;
    const host = this.#forwarded(request, "x-forwarded-host") ?? request.headers.host ?? "";
    const vary = this.#needsVary(request, request.url) ? "forwarded " : "";
    return `${vary}${this.#isHttps(request) ? "https" : "http"}://${host.toLowerCase()}`;
  }

  /** Whether there may be anything but content on the host of this request. */
  hasOwnPaths(request: IncomingMessage): boolean {
    return this.#hostOf(request).kind !== "subdomain";
  }

  /** What a host is to us; for tunnels too. */
  async isServed(host: string, options: { readonly signal: AbortSignal }): Promise<boolean> {
    const hostClass = this.#classOf(host);
    if (hostClass.kind === "gateway" || hostClass.kind === "subdomain") return true;
    return hostClass.kind === "domain" && (await this.#isLinked(hostClass.domain, options.signal));
  }

  /**
   * Answers a redirect and returns false; or rewrites the request's target, where it has to be, and returns true: then the
   * router goes on with it.
   *
   * @throws HoldfastError when the request is refused, or the DNSLink it depends on cannot be told.
   */
  async route(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { authority, target } = parseTarget(request.url ?? "");
    const host = this.#hostOf(request, authority);
    if (this.#needsVary(request, target)) response.setHeader("Vary", "X-Forwarded-Host");
    // What is refused where there is only content is refused in the form of a gateway, whatever the path.
    request.url =
      host.kind === "subdomain" ? `/${host.namespace}/${host.label}${safeTarget(target)}` : target;
    const { method = "" } = request;
    const isHttps = this.#isHttps(request);
    const decision = decideByHost({ method, target, host, isHttps, isOwnPath: this.#isOwnPath });
    if (decision.kind === "redirect") {
      answerRedirect(request, response, decision.location);
      return false;
    }
    if (decision.kind === "plain") return true;
    const { origin } = decision;
    const needsLink = decision.kind === "origin-if-linked";
    request.url = `/${origin.namespace}/${origin.root}${safeTarget(target)}`;
    if (!needsLink || (await this.#isWebsite(origin.root, target, response)))
      onOrigin.set(request, { origin, target });
    else request.url = target;
    return true;
  }

  /** @param authority of a target in absolute form, which counts more than the header. */
  #hostOf(request: IncomingMessage, authority?: string): HostClass {
    const forwarded = this.#forwarded(request, "x-forwarded-host");
    return this.#classOf(forwarded ?? authority ?? request.headers.host ?? "");
  }

  /**
   * A cache in front that passes the header on from its clients would else keep for all of them what one asked for: another
   * host's content.
   */
  #needsVary(request: IncomingMessage, target: string): boolean {
    return this.#forwarded(request, "x-forwarded-host") !== undefined && !this.#isOwnPath(target);
  }

  #isHttps(request: IncomingMessage): boolean {
    const { socket } = request;
    const forwarded = this.#forwarded(request, "x-forwarded-proto");
    return forwarded === undefined
      ? "encrypted" in socket && socket.encrypted === true
      : forwarded === "https";
  }

  /** Proxies append to the list: the first is what the client asked for. */
  #forwarded(request: IncomingMessage, name: "x-forwarded-host" | "x-forwarded-proto"): string | undefined {
    const header = request.headers[name];
    if (typeof header !== "string" || !this.#addresses.isFromProxy(request)) return undefined;
    const first = header.split(",", 1).join("").trim();
    return first === "" ? undefined : first;
  }

  #isPlainOn(host: HostClass, url: string): boolean {
    switch (host.kind) {
      case "path":
        return true;
      case "subdomain":
        return false;
      case "gateway":
        return this.#isOwnPath(url);
      case "domain":
        return this.#isOwnPath(url) || this.#isUnlinked(host.domain);
    }
  }

  async #isWebsite(domain: string, target: string, response: ServerResponse): Promise<boolean> {
    try {
      return await this.#isLinked(domain, closeSignal(response));
    } catch (err) {
      // A path gateway needs no DNS, so it is not hurt when DNS fails.
      if (isContentPath(target)) return false;
      throw err;
    }
  }

  async #isLinked(domain: string, signal: AbortSignal): Promise<boolean> {
    return !this.#isUnlinked(domain) && (await this.#dnslinks?.resolve(domain, { signal })) !== undefined;
  }

  #isUnlinked(domain: string): boolean {
    return this.#dnslinks?.isKnownAbsent(domain) ?? true;
  }

  #classOf(host: string): HostClass {
    const known = this.#classes.get(host);
    if (known !== undefined) return known;
    const hostClass = this.#hosts.classify(host);
    if (host.length <= KEPT_HOST_LENGTH_MAX) this.#classes.set(host, hostClass);
    return hostClass;
  }
}

/**
 * A target in origin form, and the authority when the client sent the absolute form, as to a proxy.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for an absolute form that is not of a website.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
function parseTarget(url: string): { readonly authority: string | undefined; readonly target: string } {
  if (url.startsWith("/") || url === "*") return { authority: undefined, target: url };
  const [, authority, rest = ""] = /^https?:\/\/([^/?#@]+)([/?][^#]*)?$/i.exec(url) ?? [];
  if (authority === undefined) throw new HoldfastError("INVALID_ARGUMENT", "the request target is malformed");
  return { authority, target: rest.startsWith("/") ? rest : `/${rest}` };
}

/** Caches in front must not give this to clients whose proxy says something else. */
function answerRedirect(request: IncomingMessage, response: ServerResponse, location: string): void {
  const body = `Moved Permanently: ${location}\n`;
  response.writeHead(301, {
    Location: location,
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": REDIRECT_CACHE_CONTROL,
    Vary: "X-Forwarded-Host, X-Forwarded-Proto",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
