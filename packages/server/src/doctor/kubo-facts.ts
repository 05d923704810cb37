import { HoldfastError } from "@holdfast/core";

/** Kubo says 2^64 − 1 for no limit, which as a number is one more. */
export const NO_STORAGE_LIMIT = 2 ** 64;

/** What is known about one running Kubo, with Kubo's own defaults filled in (names and defaults of Kubo 0.43). */
export interface KuboFacts {
  /** E.g. `0.43.0`. */
  readonly version: string;
  readonly repoBytes: number;
  /** `Datastore.StorageMax`; `NO_STORAGE_LIMIT` for none. */
  readonly storageMaxBytes: number;
  /** `Datastore.StorageGCWatermark`: automatic GC starts at this share of `StorageMax`. */
  readonly gcWatermarkPercent: number;
  /** Whether the daemon runs with `--enable-gc`; undefined when its command line cannot be read. */
  readonly gcEnabled: boolean | undefined;
  /** Whether the daemon runs with `--offline`. */
  readonly offline: boolean;
  /** Multiaddrs of `Addresses.API`, as configured. */
  readonly rpcListen: readonly string[];
  /** Whether the RPC refused a request without a login (`API.Authorizations`). */
  readonly rpcNeedsLogin: boolean;
  /** `Access-Control-Allow-Origin` of `API.HTTPHeaders`. */
  readonly rpcAllowedOrigins: readonly string[];
  /** Multiaddrs of `Addresses.Gateway`, as configured. */
  readonly gatewayListen: readonly string[];
  /** `Gateway.ExposeRoutingAPI`. */
  readonly routingApiExposed: boolean;
  /** `--routing` if given, else `Routing.Type`. */
  readonly routingType: string;
  /** `Routing.AcceleratedDHTClient`. */
  readonly acceleratedDht: boolean;
  /** `Routing.LoopbackAddressesOnLanDHT`: a node of a private network or a test. */
  readonly lanDhtOnLoopback: boolean;
  /** `Ipns.ResolveCacheSize`. */
  readonly ipnsCacheEntries: number;
  /** `Datastore.BloomFilterSize`; 0 is off. */
  readonly bloomFilterBytes: number;
  /** `Addresses.Swarm`. */
  readonly swarmListen: readonly string[];
  /** `Addresses.Announce` and `Addresses.AppendAnnounce`. */
  readonly announced: readonly string[];
  /** What the node says of itself (`id`): empty while it is offline. */
  readonly ownAddresses: readonly string[];
  /** `Swarm.Transports.Network.Websocket`. */
  readonly webSocketTransport: boolean;
  /** `AutoTLS.Enabled` and `AutoTLS.AutoWSS`: Kubo adds a secure WebSocket listener by itself. */
  readonly autoWss: boolean;
  /** `Swarm.ConnMgr.Type`: `basic` or `none`. */
  readonly connMgrType: string;
  readonly connMgrLowWater: number;
  readonly connMgrHighWater: number;
  readonly provideEnabled: boolean;
  /** `Provide.Strategy`, e.g. `all` or `pinned+mfs`. */
  readonly provideStrategy: string;
  /** `Provide.DHT.SweepEnabled`. */
  readonly provideSweep: boolean;
  /** Connected peers; undefined when Kubo does not say (offline). */
  readonly peerCount: number | undefined;
}

/** Kubo's answers as parsed JSON, not yet believed. */
export interface KuboAnswers {
  /** `version` */
  readonly version: unknown;
  /** `repo/stat?size-only=true`: without `size-only` Kubo walks every block. */
  readonly repoStat: unknown;
  /** `config/show` */
  readonly config: unknown;
  /** `id` */
  readonly id: unknown;
  /** `swarm/peers`; undefined when it failed. */
  readonly peers: unknown;
  /** `/debug/pprof/cmdline` split at NUL; undefined when it failed. */
  readonly commandLine: readonly string[] | undefined;
  /** `config/show` conceals `API.Authorizations`, so only a refused request tells. */
  readonly rpcNeedsLogin: boolean;
}

/**
 * Reads Kubo's answers into facts.
 *
 * @throws HoldfastError `BACKEND_UNAVAILABLE` when an answer is not one that Kubo gives.
 */
export function readKuboFacts(answers: KuboAnswers): KuboFacts {
  const { config } = answers;
  if (!isRecord(config) || !isRecord(config["Addresses"]) || !isRecord(config["Datastore"])) {
    throw notKubo("config/show");
  }
  return {
    version: mustBe("string", at(answers.version, "Version"), "version"),
    repoBytes: mustBe("number", at(answers.repoStat, "RepoSize"), "repo/stat"),
    storageMaxBytes: mustBe("number", at(answers.repoStat, "StorageMax"), "repo/stat"),
    // 0 means the default here and for the cache of names.
    gcWatermarkPercent: numberOr(90, at(config, "Datastore.StorageGCWatermark")) || 90,
    ipnsCacheEntries: numberOr(128, at(config, "Ipns.ResolveCacheSize")) || 128,
    bloomFilterBytes: numberOr(0, at(config, "Datastore.BloomFilterSize")),
    rpcNeedsLogin: answers.rpcNeedsLogin,
    peerCount: answers.peers === undefined ? undefined : stringsOrItems(at(answers.peers, "Peers")).length,
    ...readCommandLine(answers.commandLine, config),
    ...readAddresses(config, answers.id),
    ...readRouting(config),
    ...readSwarm(config),
  };
}

function readCommandLine(
  commandLine: readonly string[] | undefined,
  config: unknown,
): Pick<KuboFacts, "gcEnabled" | "offline" | "routingType"> {
  const routing = optionOf(commandLine ?? [], "routing", true);
  const configured = stringOr("auto", at(config, "Routing.Type"));
  return {
    gcEnabled: commandLine === undefined ? undefined : isOn(optionOf(commandLine, "enable-gc", false)),
    offline: isOn(optionOf(commandLine ?? [], "offline", false)),
    routingType: routing === undefined || routing === "" || routing === "default" ? configured : routing,
  };
}

function readAddresses(
  config: unknown,
  id: unknown,
): Pick<
  KuboFacts,
  "rpcListen" | "rpcAllowedOrigins" | "gatewayListen" | "swarmListen" | "announced" | "ownAddresses"
> {
  return {
    rpcListen: strings(at(config, "Addresses.API")),
    rpcAllowedOrigins: strings(at(config, "API.HTTPHeaders.Access-Control-Allow-Origin")),
    gatewayListen: strings(at(config, "Addresses.Gateway")),
    swarmListen: strings(at(config, "Addresses.Swarm")),
    announced: [
      ...strings(at(config, "Addresses.Announce")),
      ...strings(at(config, "Addresses.AppendAnnounce")),
    ],
    ownAddresses: strings(at(id, "Addresses")),
  };
}

function readRouting(
  config: unknown,
): Pick<
  KuboFacts,
  | "routingApiExposed"
  | "acceleratedDht"
  | "lanDhtOnLoopback"
  | "provideEnabled"
  | "provideStrategy"
  | "provideSweep"
> {
  return {
    routingApiExposed: flagOr(true, at(config, "Gateway.ExposeRoutingAPI")),
    acceleratedDht: flagOr(false, at(config, "Routing.AcceleratedDHTClient")),
    lanDhtOnLoopback: flagOr(false, at(config, "Routing.LoopbackAddressesOnLanDHT")),
    provideEnabled: flagOr(true, at(config, "Provide.Enabled")),
    provideStrategy: stringOr("all", at(config, "Provide.Strategy")),
    provideSweep: flagOr(true, at(config, "Provide.DHT.SweepEnabled")),
  };
}

function readSwarm(
  config: unknown,
): Pick<
  KuboFacts,
  "webSocketTransport" | "autoWss" | "connMgrType" | "connMgrLowWater" | "connMgrHighWater"
> {
  return {
    webSocketTransport: flagOr(true, at(config, "Swarm.Transports.Network.Websocket")),
    autoWss: flagOr(true, at(config, "AutoTLS.Enabled")) && flagOr(true, at(config, "AutoTLS.AutoWSS")),
    connMgrType: stringOr("basic", at(config, "Swarm.ConnMgr.Type")),
    connMgrLowWater: numberOr(32, at(config, "Swarm.ConnMgr.LowWater")),
    connMgrHighWater: numberOr(96, at(config, "Swarm.ConnMgr.HighWater")),
  };
}

/** The value of `--name=value`, `--name value` or a bare `--name` (then `true`); the last one counts. */
function optionOf(commandLine: readonly string[], name: string, takesValue: boolean): string | undefined {
  let value: string | undefined;
  commandLine.forEach((word, i) => {
    if (word.startsWith(`--${name}=`)) value = word.slice(name.length + 3);
    else if (word === `--${name}`) value = takesValue ? commandLine[i + 1] : "true";
  });
  return value;
}

const isOn = (value: string | undefined): boolean => value !== undefined && /^(true|t|1)$/i.test(value);

function mustBe(type: "string", value: unknown, call: string): string;
function mustBe(type: "number", value: unknown, call: string): number;
function mustBe(type: "string" | "number", value: unknown, call: string): unknown {
  if (typeof value !== type) throw notKubo(call);
  return value;
}

function notKubo(call: string): HoldfastError {
  return new HoldfastError("BACKEND_UNAVAILABLE", `the answer to ${call} is not one that Kubo gives`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function at(root: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), root);
}

const numberOr = (fallback: number, value: unknown): number => (typeof value === "number" ? value : fallback);
const stringOr = (fallback: string, value: unknown): string =>
  typeof value === "string" && value !== "" ? value : fallback;
/** Kubo's flags are true, false, or anything else for the default. */
const flagOr = (fallback: boolean, value: unknown): boolean =>
  typeof value === "boolean" ? value : fallback;
const stringsOrItems = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Kubo writes a list of one as a plain string; an empty string is none. */
function strings(value: unknown): readonly string[] {
  const items = typeof value === "string" ? [value] : stringsOrItems(value);
  return items.filter((item): item is string => typeof item === "string" && item !== "");
}
