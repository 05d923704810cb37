import type { FastifyInstance } from "fastify";
import type { Records } from "../records/records.ts";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { guardAdmin } from "./admin-guard.ts";
import type { BackendStatus } from "./backend-status.ts";
import { DEFAULT_LISTENER_OPTIONS, HttpListener } from "./http-listener.ts";
import type { RefusalCounts } from "./limits.ts";
import type { VaultRoom } from "./vault-form.ts";
import type { HttpServer } from "./public-server.ts";
import type { Webhooks } from "../records/webhooks/webhooks.ts";
import { adminWebhooksRoute } from "./routes/admin-webhooks.ts";
import { adminPinsRoutes, type AdminPinsParts } from "./routes/admin-pins.ts";
import { type AdminAnnounceParts, adminAnnounceRoute } from "./routes/admin-announce.ts";
import { adminRoutingGetRoute } from "./routes/admin-routing-get.ts";
import { healthRoute } from "./routes/health.ts";
import { ipnsInterceptRoute } from "./routes/ipns-intercept.ts";
import { keepAliveRoutes, type KeepAliveRouteParts } from "./routes/keep-alive.ts";
import { metricsRoute, type MetricsParts } from "./routes/metrics.ts";
import { pinStatusRoute, type PinStatusParts } from "./routes/pin-status.ts";
import { readyRoute, type RecordStoreState } from "./routes/ready.ts";

export interface AdminServerParts {
  readonly records: Pick<Records, "peek" | "freshnessOf" | "publish">;
  /** How many names have a record; throws when the store cannot be read. */
  readonly recordStore: RecordStoreState;
  readonly pins: PinStatusParts["pins"] & MetricsParts["pins"] & AdminPinsParts["pins"];
  /** Absent: records are kept alive nowhere. */
  readonly keepAlive?: KeepAliveRouteParts["keepAlive"];
  /** Absent: nothing is announced or read. */
  readonly announce?: NonNullable<AdminAnnounceParts["announce"]> &
    NonNullable<KeepAliveRouteParts["announce"]>;
  readonly backend: BackendStatus;
  /** How much room it has. Absent: nobody says. */
  readonly vault?: VaultRoom;
  /** Absent: there are none. */
  readonly webhooks?: Pick<Webhooks, "status">;
  /** For `/ready`. */
  readonly warnings?: () => readonly object[];
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
  /** Whatever else is served here. */
  readonly routes?: readonly ((app: FastifyInstance) => void)[];
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
    adminPinsRoutes(parts),
    adminAnnounceRoute(parts),
    ...(parts.keepAlive === undefined ? [] : [keepAliveRoutes({ ...parts, keepAlive: parts.keepAlive })]),
    adminWebhooksRoute(parts.webhooks),
    ...(options.routes ?? []),
  ];
  for (const route of routes) route(listener.app);
  return listener;
}
