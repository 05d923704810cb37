import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import { createAdminServer } from "./http/admin-server.ts";
import { createPublicServer, type HttpServer, type PublicServer } from "./http/public-server.ts";
import type { AddedContent } from "./http/routes/add-parts.ts";
import { adminFollowRoutes } from "./http/routes/admin-follow.ts";
import { adminGcRoutes } from "./http/routes/admin-gc.ts";
import { adminPinWishRoutes } from "./http/routes/admin-pin-wish.ts";
import { announceRoute } from "./http/routes/announce.ts";
import { contentRoutes } from "./http/routes/content.ts";
import { contentRpcRoutes } from "./http/routes/dag-routes.ts";
import { pinCommandRoutes } from "./http/routes/pin-commands.ts";
import { WritePolicy } from "./http/write-policy.ts";
import { PROVIDE_TIMEOUT_MS } from "./policies.ts";
import type { Parts } from "./start-parts.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import { HOLDFAST_VERSION } from "./version.ts";

/** The listener that everybody may reach, over these parts. Not listening yet. */
export function createPublic(config: Config, parts: Parts): PublicServer {
  const { records, keepAlive, backend, routers, blocks, dnslinks, metrics, logger } = parts;
  const writePolicy = new WritePolicy(config.writePolicy);
  const onAdded = (added: AddedContent): void => {
    blocks.noteStored(added.cids);
    tellPeers(backend, added, logger);
  };
  return createPublicServer(
    {
      records,
      clock: systemClock,
      logger: logger.child({ part: "http" }),
      metrics,
      propagation: keepAlive,
      arrivals: keepAlive,
      contentRouting: routers.contentRouting,
      nearRouting: routers.nearRouting,
      writePolicy,
      dnslinks,
    },
    {
      ...config.publicListen,
      version: HOLDFAST_VERSION,
      rateLimits: config.rateLimits,
      trustedProxies: config.trustedProxies,
      gatewayHosts: config.gatewayHosts,
      responseCacheBytesMax: config.responseCacheBytesMax,
      push: {
        connectionsMax: config.pushConnectionsMax,
        connectionsPerClientMax: config.pushConnectionsPerClientMax,
      },
      routes: [
        contentRoutes(parts),
        announceRoute({ announcements: parts.announce.announcements, writePolicy }),
        pinCommandRoutes({ ...parts, writePolicy, clock: systemClock }),
        ...parts.pinsApi.routes({ writePolicy }),
        contentRpcRoutes({ ...parts, writePolicy, onAdded }, { contentBytesMax: config.addBytesMax }),
      ],
    },
  );
}

/** The operator's listener, over these parts. Not listening yet. */
export function createAdmin(
  config: Config,
  parts: Parts,
  more: Pick<PublicServer, "refusals"> & { readonly warnings: () => readonly object[] },
): HttpServer {
  const { records, pins, routers, sweeps, following } = parts;
  const { refusals, warnings } = more;
  return createAdminServer(
    { ...parts, clock: systemClock, logger: parts.logger.child({ part: "http" }), refusals, warnings },
    {
      ...config.adminListen,
      nodeName: config.nodeName,
      routes: [
        ...routers.adminRoutes(records),
        adminGcRoutes(sweeps),
        adminFollowRoutes(following),
        adminPinWishRoutes({ pins, clock: systemClock }),
      ],
    },
  );
}

/**
 * Peers that wait for these blocks get them, and the DHT learns of roots that are no pins: of those the queue tells it.
 * Behind the answer, best effort.
 */
function tellPeers(backend: Backend, { roots, cids, isPinned }: AddedContent, logger: Logger): void {
  if (!backend.canRoute) return;
  const signal = AbortSignal.timeout(PROVIDE_TIMEOUT_MS);
  const told = [
    backend.announceBlocks(cids, { signal }),
    ...(isPinned ? [] : roots.map((root) => backend.provide(root, { signal }))),
  ];
  for (const one of told) {
    one.catch((err: unknown) => {
      logger.debug({ err }, "peers could not be told of added blocks");
    });
  }
}
