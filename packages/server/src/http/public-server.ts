import type { FastifyInstance } from "fastify";
import type { ContentRouting } from "../content/content-routing.ts";
import { isContentPath } from "../gateway/hosts/decide-by-host.ts";
import type { GatewayHost } from "../gateway/hosts/gateway-host.ts";
import type { Dnslinks } from "../records/dnslinks.ts";
import type { Records } from "../records/records.ts";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AckParts } from "./ack.ts";
import { HostRouting } from "./gateway-hosts.ts";
import { ContentCache } from "./content-cache.ts";
import { createContentHotPath } from "./content-hot-path.ts";
import { createHotPath } from "./hot-path.ts";
import { DEFAULT_LISTENER_OPTIONS, HttpListener, type HttpListenerOptions } from "./http-listener.ts";
import { DEFAULT_RATES, type LimitRates, Limits, type RefusalCounts } from "./limits.ts";
import { Push } from "./push/push.ts";
import { DEFAULT_PUSH_OPTIONS, type PushOptions } from "./push/push-options.ts";
import { PushSlots } from "./push/push-slots.ts";
import { RecentChanges } from "./push/recent-changes.ts";
import { delegatedRoutingRoutes } from "./routes/delegated-routing.ts";
import { healthRoute } from "./routes/health.ts";
import { EVENTS_PATH, IpnsEvents } from "./routes/ipns-events.ts";
import { nameResolveRoute } from "./routes/name-resolve.ts";
import { namesRoutes, type NamesParts } from "./routes/names.ts";
import { routingGetRoute } from "./routes/routing-get.ts";
import { routingPutRoute } from "./routes/routing-put.ts";
import { routingV1IpnsRoutes } from "./routes/routing-v1-ipns.ts";
import { versionRoute } from "./routes/version.ts";
import { IpnsSockets, WS_PATH, wsUpgradeRequiredRoute } from "./routes/ws-ipns.ts";
import type { WritePolicy } from "./write-policy.ts";

/** However many listen for updates, others can connect. */
const CONNECTIONS_BESIDE_PUSH = 4_096;

const RESPONSE_CACHE_BYTES_MAX = 128 * 1024 * 1024;

type RoutePlugin = (app: FastifyInstance) => void;

export interface PublicServerParts {
  readonly records: Pick<
    Records,
    | "peek"
    | "isLookedUp"
    | "freshnessOf"
    | "resolve"
    | "resolvePath"
    | "publish"
    | "onStored"
    | "history"
    | "anomaliesOf"
  >;
  /** Absent when the node has no network. */
  readonly contentRouting: ContentRouting | undefined;
  /** See `DelegatedRoutingParts`. */
  readonly nearRouting?: ContentRouting | undefined;
  /** Absent: no domain has a DNSLink. */
  readonly dnslinks?: Dnslinks;
  /** Absent: nothing is known about how far records are on their way. */
  readonly propagation?: NamesParts["propagation"];
  readonly arrivals?: AckParts["arrivals"];
  readonly writePolicy: WritePolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface PublicServerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** Holdfast's own, e.g. `0.1.0`. */
  readonly version: string;
  /** False lifts every rate, never sizes or concurrency. */
  readonly rateLimits: boolean;
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-*` are believed. */
  readonly trustedProxies?: readonly string[];
  /** Absent: every host is a path gateway, or a domain with a DNSLink. */
  readonly gatewayHosts?: readonly GatewayHost[];
  /** The routes of content and whatever else is served here. */
  readonly routes?: readonly RoutePlugin[];
  readonly rates?: Partial<LimitRates>;
  /** Bound on whole answers that are kept; 0 keeps none. */
  readonly responseCacheBytesMax?: number;
  readonly listener?: Partial<Omit<HttpListenerOptions, "host" | "port" | "cors">>;
  readonly push?: Partial<PushOptions>;
}

export interface HttpServer extends AsyncDisposable {
  /** @returns the URL without a slash at its end. */
  listen(): Promise<string>;
  /** Valid while listening. */
  readonly url: string;
  /** Takes no more requests, lets those under way finish for at most `graceMs`, then closes every connection. */
  close(graceMs: number): Promise<void>;
}

/** The listener that everybody may reach: names, content, delegated routing, updates over WebSocket. */
export function createPublicServer(parts: PublicServerParts, options: PublicServerOptions): PublicServer {
  return new PublicServer(parts, options);
}

export class PublicServer implements HttpServer {
  readonly #listener: HttpListener;
  readonly #sockets: IpnsSockets;
  readonly #events: IpnsEvents;
  readonly #stopPush: () => void;
  readonly #arrivals: AckParts["arrivals"];
  /** How many requests the rates refused; counts on. */
  readonly refusals: RefusalCounts;

  constructor(parts: PublicServerParts, options: PublicServerOptions) {
    const { clock, logger, metrics, records } = parts;
    this.#arrivals = parts.arrivals;
    const { host, port, rateLimits, trustedProxies = [] } = options;
    const limits = new Limits(
      { clock, metrics },
      { rateLimits, trustedProxies, rates: { ...DEFAULT_RATES, ...options.rates } },
    );
    this.refusals = limits.refusals;
    const pushOptions = { ...DEFAULT_PUSH_OPTIONS, ...options.push };
    this.#listener = new HttpListener(
      { clock, logger, metrics, limits },
      {
        ...DEFAULT_LISTENER_OPTIONS,
        connectionsMax: Math.max(
          DEFAULT_LISTENER_OPTIONS.connectionsMax,
          pushOptions.connectionsMax + CONNECTIONS_BESIDE_PUSH,
        ),
        ...options.listener,
        host,
        port,
        cors: true,
        upgradePath: WS_PATH,
      },
    );
    const [push, changes] = [new Push(metrics), new RecentChanges(clock)];
    const pushParts = { push, changes, slots: new PushSlots(pushOptions), records, limits, clock, metrics };
    this.#sockets = new IpnsSockets(this.#listener, pushParts, pushOptions);
    this.#events = new IpnsEvents(this.#listener, pushParts, pushOptions);
    this.#stopPush = records.onStored(({ name, current }) => {
      push.announce(changes.add(name, current));
    });
    this.#listener.useHosts(hostRouting(this.#listener, parts, { ...options, trustedProxies }));
    const contentCache = new ContentCache(parts, {
      bytesMax: options.responseCacheBytesMax ?? RESPONSE_CACHE_BYTES_MAX,
    });
    const [hotPath, contentHotPath] = [
      createHotPath({ records, limits, clock, metrics }),
      createContentHotPath({ cache: contentCache, limits, clock, metrics }),
    ];
    this.#listener.useHotPath((...exchange) => hotPath(...exchange) || contentHotPath(...exchange));
    this.#listener.app.decorate("contentCache", contentCache);
    this.#listener.app.decorate("takeFreshRead", (request) => limits.takeFreshRead(request));
    const routes: readonly RoutePlugin[] = [
      routingGetRoute({ records, clock }),
      routingPutRoute({ ...parts, limits }),
      nameResolveRoute({ records }),
      versionRoute(options.version),
      routingV1IpnsRoutes({ ...parts, limits }),
      namesRoutes(parts),
      delegatedRoutingRoutes(parts),
      wsUpgradeRequiredRoute,
      this.#events.route,
      healthRoute,
      ...(options.routes ?? []),
    ];
    for (const route of routes) route(this.#listener.app);
  }

  get url(): string {
    return this.#listener.url;
  }

  async listen(): Promise<string> {
    return this.#listener.listen();
  }

  async close(graceMs: number): Promise<void> {
    this.#stopPush();
    // Their records are stored, and are put until they arrive: no reason to hold up a stop.
    this.#arrivals?.endWaits();
    // Those who listen for updates are told first: the server is not closed before the last of them is gone.
    await Promise.all([this.#listener.close(graceMs), this.#sockets.close(), this.#events.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }
}

/** Under these prefixes everything is ours, whether it is offered or not. */
const OWN_PREFIXES = ["/api/v0/", "/routing/v1/"];

function hostRouting(
  listener: HttpListener,
  { dnslinks }: Pick<PublicServerParts, "dnslinks">,
  options: Pick<PublicServerOptions, "gatewayHosts"> & { readonly trustedProxies: readonly string[] },
): HostRouting {
  const { gatewayHosts = [], trustedProxies } = options;
  const isOwnPath = (url: string): boolean =>
    OWN_PREFIXES.some((prefix) => url.startsWith(prefix)) ||
    url.split("?", 1)[0] === EVENTS_PATH ||
    (!isContentPath(url) && listener.hasRoute(url));
  return new HostRouting({ dnslinks }, { gatewayHosts, trustedProxies, isOwnPath });
}
