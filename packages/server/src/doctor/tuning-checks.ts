import { isLoopback, isPublicWebSocket, isWebSocket } from "./addresses.ts";
import type { Check, Trouble } from "./check.ts";
import { commandFor, formatBytes } from "./format.ts";
import type { KuboFacts } from "./kubo-facts.ts";

const MIB = 1024 ** 2;
/** What Kubo shipped for servers before it turned the limits down for laptops. */
const CONN_MGR_LOW_WATER = 600;
const CONN_MGR_HIGH_WATER = 900;
/** Below it a node with many names evicts names that are still asked for. */
const IPNS_CACHE_ENTRIES_MIN = 2048;
const IPNS_CACHE_ENTRIES = 16_384;
/** From here on announcing each block of the repo takes more than announcing what is pinned is worth. */
const PROVIDE_ALL_BYTES_MAX = 100e9;

/**
 * What is slow or does not work. Safe are those that cost memory, connections or work at the start and nothing else; each can be set back.
 * A DHT client, a cache or a limit of connections changes no data and opens no port. Not safe: which blocks are
 * announced (others could no longer find them), how the node finds content, and listeners and announced addresses
 * (they open a port, and need a domain and a proxy that we do not know).
 */
export const TUNING_CHECKS: readonly Check[] = [
  {
    id: "accelerated-dht",
    why: "Each DHT lookup walks many hops: a name or provider takes seconds that the accelerated client does from memory.",
    safe: true,
    look: (facts) => {
      const usesPublicDht = /^(auto|dht)(client|server)?$/.test(facts.routingType) && !facts.offline;
      // The accelerated client does not speak to LAN DHTs: on a private network it would find nobody.
      if (!usesPublicDht || facts.lanDhtOnLoopback || facts.acceleratedDht) return undefined;
      return {
        severity: "advice",
        is: "The accelerated DHT client is off (Routing.AcceleratedDHTClient).",
        settings: [{ key: "Routing.AcceleratedDHTClient", value: true }],
        steps: [
          "it needs more memory and an hourly burst of connections; answers begin some minutes after a start",
        ],
      };
    },
  },
  {
    id: "ipns-cache",
    why: "With more names than entries Kubo asks the network again for names that it resolved a moment ago.",
    safe: true,
    look: ({ ipnsCacheEntries }) =>
      ipnsCacheEntries >= IPNS_CACHE_ENTRIES_MIN
        ? undefined
        : {
            severity: "advice",
            is: `Kubo remembers ${ipnsCacheEntries} resolved names (Ipns.ResolveCacheSize).`,
            settings: [{ key: "Ipns.ResolveCacheSize", value: IPNS_CACHE_ENTRIES }],
          },
  },
  {
    id: "routing-api",
    why: "Holdfast cannot use Kubo's gateway port as a Delegated Routing V1 source.",
    safe: true,
    look: (facts) =>
      facts.routingApiExposed
        ? undefined
        : {
            severity: "advice",
            is: "The gateway port does not answer /routing/v1 (Gateway.ExposeRoutingAPI is false).",
            settings: [{ key: "Gateway.ExposeRoutingAPI", value: true }],
            // On an open gateway it would let strangers make the node search.
            ...(facts.gatewayListen.every(isLoopback) ? {} : { safe: false }),
          },
  },
  {
    id: "bloom-filter",
    why: "Each question for a block that is not here, ours and every peer's, reads the disk.",
    safe: true,
    look: ({ bloomFilterBytes, repoBytes }) =>
      bloomFilterBytes > 0
        ? undefined
        : {
            severity: "advice",
            is: "The bloom filter is off (Datastore.BloomFilterSize is 0).",
            settings: [{ key: "Datastore.BloomFilterSize", value: bloomFilterBytesFor(repoBytes) }],
            steps: ["Kubo lists all its blocks once after each start to fill it"],
          },
  },
  {
    id: "websocket-transport",
    why: "Browsers speak WebSocket only: none can connect to this node, nor it to nodes behind a WebSocket.",
    safe: true,
    look: (facts) =>
      facts.webSocketTransport
        ? undefined
        : {
            severity: "warning",
            is: "The WebSocket transport is off (Swarm.Transports.Network.Websocket).",
            settings: [{ key: "Swarm.Transports.Network.Websocket", value: true }],
            // With a listener configured this would open its port.
            ...(facts.swarmListen.some(isWebSocket) ? { safe: false } : {}),
          },
  },
  {
    id: "websocket-listener",
    why: "Browsers cannot connect to this node.",
    safe: false,
    look: lookAtWebSocketListener,
  },
  {
    id: "websocket-announce",
    why: "Browsers do not learn an address that they could dial, though the listener is there.",
    safe: false,
    look: (facts) => {
      const isAnnounced = [...facts.announced, ...facts.ownAddresses].some(isPublicWebSocket);
      if (!facts.swarmListen.some(isWebSocket) || isAnnounced) return undefined;
      return {
        severity: "advice",
        is: "There is a WebSocket listener, but no public WebSocket address is announced.",
        settings: [],
        steps: [
          `with a TLS proxy in front of it (and keep what the key has already): ${commandFor({ key: "Addresses.AppendAnnounce", value: ["/dns4/YOUR.DOMAIN/tcp/443/tls/ws"] })}`,
        ],
      };
    },
  },
  {
    id: "connection-manager",
    why: "Connections to providers are closed while they are needed, and each new search opens them again.",
    safe: true,
    look: lookAtConnectionManager,
  },
  {
    id: "provide-enabled",
    why: "Nobody finds what is stored here unless he is connected already.",
    safe: false,
    look: (facts) =>
      facts.provideEnabled
        ? undefined
        : {
            severity: "warning",
            is: "Nothing is announced (Provide.Enabled is false).",
            settings: [{ key: "Provide.Enabled", value: true }],
          },
  },
  {
    id: "provide-strategy",
    why: "What is announced is not what should be found.",
    safe: false,
    look: lookAtStrategy,
  },
  {
    id: "provide-sweep",
    why: "One lookup per CID announces under 10,000 CIDs a day; the rest expires and cannot be found.",
    safe: true,
    look: (facts) =>
      facts.provideSweep || !facts.provideEnabled
        ? undefined
        : {
            severity: "warning",
            is: "Announcing in sweeps is off (Provide.DHT.SweepEnabled is false).",
            settings: [{ key: "Provide.DHT.SweepEnabled", value: true }],
          },
  },
  { id: "routing-type", why: "Names and providers are not found.", safe: false, look: lookAtRoutingType },
  {
    id: "peers",
    why: "Without peers nothing is fetched, resolved or announced.",
    safe: false,
    look: (facts) =>
      facts.peerCount === 0
        ? {
            severity: "warning",
            is: "Kubo is connected to no peer.",
            settings: [],
            steps: ["just started? look again in a minute; else see Bootstrap, Peering and the firewall"],
          }
        : undefined,
  },
];

function lookAtWebSocketListener(facts: KuboFacts): Trouble | undefined {
  if (facts.swarmListen.some(isWebSocket) || (facts.autoWss && facts.webSocketTransport)) return undefined;
  return {
    severity: "advice",
    is: "No WebSocket listener (Addresses.Swarm), and Kubo adds none by itself (AutoTLS is off).",
    settings: [{ key: "Addresses.Swarm", value: [...facts.swarmListen, "/ip4/127.0.0.1/tcp/4002/ws"] }],
    steps: [
      "then let a TLS proxy forward to 127.0.0.1:4002 and announce its name",
      `or, with a public address: ${commandFor({ key: "AutoTLS.Enabled", value: true })}`,
    ],
  };
}

function lookAtConnectionManager(facts: KuboFacts): Trouble | undefined {
  const { connMgrType, connMgrLowWater: low, connMgrHighWater: high } = facts;
  const water = [
    { key: "Swarm.ConnMgr.LowWater", value: CONN_MGR_LOW_WATER },
    { key: "Swarm.ConnMgr.HighWater", value: CONN_MGR_HIGH_WATER },
  ];
  if (connMgrType === "none") {
    const settings = [{ key: "Swarm.ConnMgr.Type", value: "basic" }, ...water];
    return {
      severity: "warning",
      is: "No connection manager (Swarm.ConnMgr.Type is none): connections grow without bound.",
      settings,
    };
  }
  if (low >= high) {
    return {
      severity: "warning",
      is: `The low water ${low} is not below the high water ${high} (Swarm.ConnMgr).`,
      settings: water,
    };
  }
  if (high >= CONN_MGR_LOW_WATER) return undefined;
  return {
    severity: "advice",
    is: `Connections are closed from ${high} down to ${low} (Swarm.ConnMgr), a limit for a desktop.`,
    settings: water,
  };
}

function lookAtStrategy({ provideStrategy, provideEnabled, repoBytes }: KuboFacts): Trouble | undefined {
  if (!provideEnabled) return undefined;
  const parts = provideStrategy.split("+");
  const settings = [{ key: "Provide.Strategy", value: "pinned+mfs" }];
  const announces = (part: string): boolean => parts.includes(part);
  if (announces("all") || announces("flat")) {
    if (repoBytes <= PROVIDE_ALL_BYTES_MAX) return undefined;
    const is = `Every block of ${formatBytes(repoBytes)} is announced, cached ones too (Provide.Strategy is ${provideStrategy}).`;
    return { severity: "advice", is, settings };
  }
  if (announces("pinned")) return undefined;
  const is = announces("roots")
    ? "Only the roots of pins are announced (Provide.Strategy is roots): a fetch that breaks off cannot go on."
    : `Pinned content is not announced (Provide.Strategy is ${provideStrategy}).`;
  return { severity: "warning", is, settings };
}

function lookAtRoutingType({ routingType, offline }: KuboFacts): Trouble | undefined {
  const settings = [{ key: "Routing.Type", value: "auto" }];
  if (offline) {
    return {
      severity: "warning",
      is: "The daemon runs with --offline.",
      settings: [],
      steps: ["start the daemon without --offline"],
    };
  }
  if (routingType === "none") {
    return {
      severity: "warning",
      is: "Routing is off (Routing.Type or --routing is none).",
      settings,
      steps: ["and start the daemon without --routing"],
    };
  }
  if (routingType !== "custom" && routingType !== "delegated") return undefined;
  return {
    severity: "advice",
    is: `Routing.Type is ${routingType}, which Kubo calls experimental${routingType === "delegated" ? " and which announces nothing" : ""}.`,
    settings,
  };
}

/**
 * 3 bytes per block (0.1 % of false hits) for blocks of 32 KiB on average, as a power of two, which Kubo rounds up to
 * anyway; 16 to 256 MiB, so that a small repo may grow and a large one leaves memory for the rest.
 */
function bloomFilterBytesFor(repoBytes: number): number {
  const wanted = (repoBytes / 32_768) * 3;
  let bytes = 16 * MIB;
  while (bytes < wanted && bytes < 256 * MIB) bytes *= 2;
  return bytes;
}
