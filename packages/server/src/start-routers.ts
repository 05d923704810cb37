import type { FastifyInstance } from "fastify";
import type { SignatureVerifier } from "./adapters/crypto/signature-verifier.ts";
import { HttpRouter } from "./adapters/routers/http-router.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import type { ContentRouting } from "./content/content-routing.ts";
import { RoutingSources } from "./content/routing-sources.ts";
import { adminCompareRoute } from "./http/routes/admin-compare.ts";
import { adminRoutersRoute } from "./http/routes/admin-routers.ts";
import { COMPARISON_POLICY, HTTP_ROUTER_HEALTH, HTTP_ROUTING_QUERY_MS } from "./policies.ts";
import { NameComparer } from "./records/lookup/compare-name.ts";
import type { RecordRouter } from "./records/lookup/record-router.ts";
import type { Records } from "./records/records.ts";
import { RouterHealth, type RouterStatus } from "./records/lookup/router-health.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Metrics } from "./telemetry/metrics.ts";

/** Everybody whom we ask about names and content, and to whom we put records: the backend, and the configured HTTP routers. */
export interface Routers {
  /** Asked for records. */
  readonly readers: readonly RecordRouter[];
  /** Records are put to these. */
  readonly writers: readonly RecordRouter[];
  readonly healthOf: (router: RecordRouter) => RouterHealth;
  /** Undefined when there is nobody to ask. */
  readonly contentRouting: ContentRouting | undefined;
  /** The backend alone. */
  readonly nearRouting: ContentRouting | undefined;
  status(): readonly (RouterStatus & { readonly reads: boolean; readonly writes: boolean })[];
  /** What the admin listener shows of them. */
  adminRoutes(records: Records): readonly ((app: FastifyInstance) => void)[];
}

export function createRouters(
  { routers: settings }: Config,
  {
    backend,
    verifier,
    metrics,
  }: { readonly backend: Backend; readonly verifier: SignatureVerifier; readonly metrics: Metrics },
): Routers {
  const shared = { clock: systemClock, random: Math.random, metrics };
  const backends = backend.canRoute
    ? [{ router: backend, health: new RouterHealth(backend.label, shared), reads: true, writes: true }]
    : [];
  const { verifySignature } = verifier;
  const https = settings.map(({ baseUrl, ...uses }) => {
    const router = new HttpRouter({ clock: systemClock, verifySignature }, { baseUrl });
    return { router, health: new RouterHealth(router.label, shared, HTTP_ROUTER_HEALTH), ...uses };
  });
  const all = [...backends, ...https];
  const healths = new Map<RecordRouter, RouterHealth>(all.map(({ router, health }) => [router, health]));
  const sources = [
    ...backends.map(({ router }) => ({ routing: router })),
    ...https.flatMap(({ router, health, reads }) =>
      reads ? [{ routing: router, health, msMax: HTTP_ROUTING_QUERY_MS }] : [],
    ),
  ];
  const readers = all.filter(({ reads }) => reads).map(({ router }) => router);
  const status: Routers["status"] = () =>
    all.map(({ health, reads, writes }) => ({ ...health.status(), reads, writes }));
  return {
    readers,
    writers: all.filter(({ writes }) => writes).map(({ router }) => router),
    healthOf: (router) => healths.get(router) ?? new RouterHealth(router.label, shared),
    nearRouting: backend.canRoute ? backend : undefined,
    contentRouting: sources.length === 0 ? undefined : new RoutingSources({ sources, clock: systemClock }),
    status,
    adminRoutes: (records) => [
      adminRoutersRoute({ routers: { status } }),
      adminCompareRoute({
        comparer: new NameComparer(
          { records, routers: readers, verifySignature, clock: systemClock, timers: systemClock },
          COMPARISON_POLICY,
        ),
      }),
    ],
  };
}
