import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { FastifyInstance } from "fastify";
import { loadIdentity } from "./adapters/embedded/identity.ts";
import type { SqliteRecordStore } from "./adapters/sqlite/record-store.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import { PinsTokens } from "./http/pins/pins-tokens.ts";
import { pinsApiRoutes } from "./http/routes/pins-api.ts";
import type { WritePolicy } from "./http/write-policy.ts";
import { ApiPins } from "./pins/api/api-pins.ts";
import { OriginDialer } from "./pins/api/origin-dialer.ts";
import { isFreeOfLocalAddresses, isPeerAddress } from "./pins/api/peer-address.ts";
import type { Pins } from "./pins/pins.ts";
import { API_PINS_POLICY, API_PINS_WRITES, ORIGIN_DIALER_POLICY } from "./policies.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";

const DELEGATES_MAX = 20;

export interface PinsApi {
  /** Lets go, from now on, what replaced pins had left. */
  start(): void;
  /** None when nobody has a token: then there is no such API. */
  routes(parts: { readonly writePolicy: WritePolicy }): readonly ((app: FastifyInstance) => void)[];
}

/** The Pinning Service API, on this stack. What was ordered before stays, whether it is offered now or not. */
export async function createPinsApi(
  config: Config,
  parts: {
    readonly recordStore: SqliteRecordStore;
    readonly pins: Pins;
    readonly backend: Backend;
    readonly logger: Logger;
  },
  stack: AsyncDisposableStack,
): Promise<PinsApi> {
  const { recordStore, pins, backend } = parts;
  const logger = parts.logger.child({ part: "pins-api" });
  const allowsLocal = config.network === "lan";
  const dialer = stack.use(
    new OriginDialer({ peers: backend, logger }, { ...ORIGIN_DIALER_POLICY, allowsLocal }),
  );
  const apiPins = stack.use(
    new ApiPins(
      {
        store: recordStore.apiPins,
        pins,
        onOrigins: (origins, onReached) => {
          if (backend.canRoute) dialer.offer(origins, onReached);
        },
        clock: systemClock,
        timers: systemClock,
        newId: randomUUID,
        logger,
      },
      { ...API_PINS_POLICY, perOwnerMax: config.pinsPerTokenMax },
    ),
  );
  const { pinsTokens } = config;
  const start = (): void => apiPins.start();
  if (pinsTokens.length === 0) return { start, routes: () => [] };
  const ownId = peerIdFromPrivateKey(await loadIdentity(join(config.dataDir, "node", "node.key"))).toString();
  const tokens = new PinsTokens(systemClock, {
    tokens: pinsTokens,
    writes: config.rateLimits ? API_PINS_WRITES : undefined,
  });
  const delegates = (): readonly string[] => {
    const { peerId = lastRepositoryOf(recordStore) ?? ownId, addrs = [] } = backend.status();
    return delegatesOf(peerId, addrs, allowsLocal);
  };
  return {
    start,
    routes: ({ writePolicy }) => [pinsApiRoutes({ apiPins, tokens, writePolicy, delegates })],
  };
}

/** The peer id of a Kubo that is away since before our start. */
function lastRepositoryOf(recordStore: SqliteRecordStore): string | undefined {
  const id = recordStore.pins.repositoryId();
  return id !== undefined && isPeerAddress(`/p2p/${id}`) ? id : undefined;
}

/**
 * Where the peer can be reached. While no address is known, or on a network that is none of the client's, its id alone: a true
 * answer, and one by which the client's own routing may find it.
 */
function delegatesOf(peerId: string, addrs: readonly string[], allowsLocal: boolean): readonly string[] {
  const reachable = addrs
    .filter((addr) => allowsLocal || isFreeOfLocalAddresses(addr))
    .map((addr) => (isPeerAddress(addr) ? addr : `${addr}/p2p/${peerId}`));
  const delegates = [...new Set(reachable)].slice(0, DELEGATES_MAX);
  return delegates.length === 0 ? [`/p2p/${peerId}`] : delegates;
}
