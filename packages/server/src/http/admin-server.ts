import type { Records } from "../records/records.ts";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { guardAdmin } from "./admin-guard.ts";
import type { BackendStatus } from "./backend-status.ts";
import { DEFAULT_LISTENER_OPTIONS, HttpListener } from "./http-listener.ts";
import type { RefusalCounts } from "./limits.ts";
import type { HttpServer } from "./public-server.ts";
import { adminRoutingGetRoute } from "./routes/admin-routing-get.ts";
import { healthRoute } from "./routes/health.ts";
import { ipnsInterceptRoute } from "./routes/ipns-intercept.ts";
import { metricsRoute, type MetricsParts } from "./routes/metrics.ts";
import { pinStatusRoute, type PinStatusParts } from "./routes/pin-status.ts";
import { readyRoute } from "./routes/ready.ts";

export interface AdminServerParts {
  readonly records: Pick<Records, "peek" | "freshnessOf" | "publish">;
  /** How many names have a record; throws when the store cannot be read. */
  readonly recordStore: { count(): number };
  readonly pinnedRoots: PinStatusParts["pinnedRoots"] & MetricsParts["pinnedRoots"];
  readonly vault: PinStatusParts["vault"];
  readonly backend: BackendStatus;
  /** What the rates of the public listener refused: its `refusals`. */
  readonly refusals: RefusalCounts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface AdminServerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** `node_name` in `/metrics`. */
  readonly nodeName: string;
}

/** The listener for the operator: readiness, metrics, and the private routes of the reference system. No CORS, no rates. */
export function createAdminServer(parts: AdminServerParts, options: AdminServerOptions): HttpServer {
  const { clock, logger, metrics } = parts;
  const { host, port, nodeName } = options;
  const listener = new HttpListener(
    { clock, logger, metrics },
    { ...DEFAULT_LISTENER_OPTIONS, host, port, cors: false },
  );
  guardAdmin(listener.app);
  const routes = [
    healthRoute,
    readyRoute(parts, () => listener.isDraining),
    metricsRoute(parts, { nodeName, startedAtMs: clock.nowMs() }),
    adminRoutingGetRoute(parts),
    ipnsInterceptRoute(parts),
    pinStatusRoute(parts),
  ];
  for (const route of routes) route(listener.app);
  return listener;
}
