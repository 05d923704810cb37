import type { FastifyInstance } from "fastify";
import type { ContentRouting } from "../content/content-routing.ts";
import type { Records } from "../records/records.ts";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createHotPath } from "./hot-path.ts";
import { DEFAULT_LISTENER_OPTIONS, HttpListener, type HttpListenerOptions } from "./http-listener.ts";
import { DEFAULT_RATES, type LimitRates, Limits, type RefusalCounts } from "./limits.ts";
import { delegatedRoutingRoutes } from "./routes/delegated-routing.ts";
import { healthRoute } from "./routes/health.ts";
import { nameResolveRoute } from "./routes/name-resolve.ts";
import { routingGetRoute } from "./routes/routing-get.ts";
import { routingPutRoute } from "./routes/routing-put.ts";
import { routingV1IpnsRoutes } from "./routes/routing-v1-ipns.ts";
import { versionRoute } from "./routes/version.ts";
import {
  DEFAULT_WS_OPTIONS,
  IpnsSockets,
  WS_PATH,
  wsUpgradeRequiredRoute,
  type WsOptions,
} from "./routes/ws-ipns.ts";
import type { WritePolicy } from "./write-policy.ts";

type RoutePlugin = (app: FastifyInstance) => void;

export interface PublicServerParts {
  readonly records: Pick<
    Records,
    "peek" | "freshnessOf" | "resolve" | "resolvePath" | "publish" | "onStored"
  >;
  /** Absent when the node has no network. */
  readonly contentRouting: ContentRouting | undefined;
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
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: readonly string[];
  /** The routes of content and whatever else is served here. */
  readonly routes?: readonly RoutePlugin[];
  readonly rates?: Partial<LimitRates>;
  readonly listener?: Partial<Omit<HttpListenerOptions, "host" | "port" | "cors">>;
  readonly ws?: Partial<WsOptions>;
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
  /** How many requests the rates refused; counts on. */
  readonly refusals: RefusalCounts;

  constructor(parts: PublicServerParts, options: PublicServerOptions) {
    const { clock, logger, metrics, records, writePolicy } = parts;
    const { host, port, rateLimits, trustedProxies = [] } = options;
    const limits = new Limits(
      { clock, metrics },
      { rateLimits, trustedProxies, rates: { ...DEFAULT_RATES, ...options.rates } },
    );
    this.refusals = limits.refusals;
    this.#listener = new HttpListener(
      { clock, logger, metrics, limits },
      { ...DEFAULT_LISTENER_OPTIONS, ...options.listener, host, port, cors: true, upgradePath: WS_PATH },
    );
    const ws = { ...DEFAULT_WS_OPTIONS, ...options.ws };
    this.#sockets = new IpnsSockets(this.#listener, { records, limits, clock, metrics }, ws);
    this.#listener.useHotPath(createHotPath({ records, limits, clock, metrics }));
    this.#listener.app.decorate("takeFreshRead", (request) => limits.takeFreshRead(request));
    const routes: readonly RoutePlugin[] = [
      routingGetRoute({ records, clock }),
      routingPutRoute({ records, limits, writePolicy }),
      nameResolveRoute({ records }),
      versionRoute(options.version),
      routingV1IpnsRoutes({ records, limits, writePolicy, clock }),
      delegatedRoutingRoutes(parts),
      wsUpgradeRequiredRoute,
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
    // Sockets are told first: the server is not closed before the last of them is gone.
    await Promise.all([this.#listener.close(graceMs), this.#sockets.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }
}
