import { hostname } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { multiaddr } from "@multiformats/multiaddr";
import { parseFollow } from "./follow.ts";
import { parseDns, parseDnslinkMap, parseGatewayHosts } from "./gateway-hosts.ts";
import { parseKuboRpcAuth, parseKuboRpcUrl } from "./kubo-rpc.ts";
import { parseListen, parseProxies } from "./listen.ts";
import { parsePinsTokens } from "./pins-tokens.ts";
import { parseAuthors, parseDenied, parseKinds, parsePrivateKey, parseRelays } from "./nostr.ts";
import { parseWebhooks, parseWebhookSecret } from "./webhooks.ts";
import { parseRouters, parseWarmNames } from "./routing.ts";

/** One setting: its variable (in `holdfast.yaml`: the same name in lower case without `HOLDFAST_`), default and form. */
interface Setting<T> {
  readonly variable: `HOLDFAST_${string}`;
  /** Text, parsed like any other value, so that a default can never be something a user could not write. */
  readonly fallback: string;
  /** @throws Error whose message completes the sentence `HOLDFAST_X: "value" …`. */
  readonly parse: (text: string) => T;
}

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const MIB = 1024 * 1024;

/** Every setting there is. `docs/CONFIGURATION.md` has a row for each (checked by `tidy.test.ts`). */
export const SETTINGS = {
  dataDir: setting("HOLDFAST_DATA_DIR", "./data", path),
  publicListen: setting("HOLDFAST_PUBLIC_LISTEN", "127.0.0.1:9080", parseListen),
  adminListen: setting("HOLDFAST_ADMIN_LISTEN", "127.0.0.1:9081", parseListen),
  backend: setting("HOLDFAST_BACKEND", "embedded", oneOf("embedded", "kubo")),
  kuboRpcUrl: setting("HOLDFAST_KUBO_RPC_URL", "http://127.0.0.1:5001", parseKuboRpcUrl),
  kuboGatewayUrl: setting("HOLDFAST_KUBO_GATEWAY_URL", "none", optionalBaseUrl),
  kuboRpcAuth: setting("HOLDFAST_KUBO_RPC_AUTH", "", parseKuboRpcAuth),
  network: setting("HOLDFAST_NETWORK", "public", oneOf("public", "lan", "offline")),
  swarmListen: setting("HOLDFAST_SWARM_LISTEN", "/ip4/0.0.0.0/tcp/4001", multiaddrs),
  bootstrap: setting("HOLDFAST_BOOTSTRAP", "default", bootstrap),
  writePolicy: setting("HOLDFAST_WRITE_POLICY", "default", oneOf("default", "open", "token", "closed")),
  writeTokens: setting("HOLDFAST_WRITE_TOKENS", "", tokens),
  rateLimits: setting("HOLDFAST_RATE_LIMITS", "on", onOff),
  trustedProxies: setting("HOLDFAST_TRUSTED_PROXIES", "", parseProxies),
  gatewayHosts: setting("HOLDFAST_GATEWAY_HOSTS", "localhost=subdomain", parseGatewayHosts),
  dnslinkMap: setting("HOLDFAST_DNSLINK_MAP", "", parseDnslinkMap),
  dns: setting("HOLDFAST_DNS", "system", parseDns),
  nodeName: setting("HOLDFAST_NODE_NAME", hostname(), text),
  hotRecordsBytesMax: setting(
    "HOLDFAST_HOT_RECORDS_BYTES_MAX",
    String(256 * MIB),
    integer(MIB, 64 * 1024 * MIB),
  ),
  blockMemoryBytesMax: setting(
    "HOLDFAST_BLOCK_MEMORY_BYTES_MAX",
    String(256 * MIB),
    integer(MIB, 64 * 1024 * MIB),
  ),
  blockCacheBytesMax: setting(
    "HOLDFAST_BLOCK_CACHE_BYTES_MAX",
    String(5 * 1024 * MIB),
    zeroOr(integer(256 * MIB, 1024 * 1024 * MIB)),
  ),
  vaultBytesMax: setting("HOLDFAST_VAULT_BYTES_MAX", "default", vaultBytes),
  responseCacheBytesMax: setting(
    "HOLDFAST_RESPONSE_CACHE_BYTES_MAX",
    String(128 * MIB),
    zeroOr(integer(MIB, 64 * 1024 * MIB)),
  ),
  routers: setting("HOLDFAST_ROUTERS", "none", parseRouters),
  warmNames: setting("HOLDFAST_WARM_NAMES", "none", parseWarmNames),
  darkAlertHours: setting("HOLDFAST_DARK_ALERT_HOURS", "12", integer(1, 20)),
  reannounceIntervalS: setting("HOLDFAST_REANNOUNCE_INTERVAL", "0", zeroOr(integer(60, 2_000_000))),
  reannounceProbability: setting("HOLDFAST_REANNOUNCE_PROBABILITY", "1", probability),
  trustlessGateways: setting("HOLDFAST_TRUSTLESS_GATEWAYS", "none", gatewayUrls),
  addBytesMax: setting("HOLDFAST_ADD_BYTES_MAX", String(1024 * MIB), integer(1, 1024 * 1024 * MIB)),
  pushConnectionsMax: setting("HOLDFAST_PUSH_CONNECTIONS_MAX", "12000", integer(1, 1_000_000)),
  pushConnectionsPerClientMax: setting(
    "HOLDFAST_PUSH_CONNECTIONS_PER_CLIENT_MAX",
    "256",
    integer(1, 1_000_000),
  ),
  webhooks: setting("HOLDFAST_WEBHOOKS", "", parseWebhooks),
  webhookSecret: setting("HOLDFAST_WEBHOOK_SECRET", "", parseWebhookSecret),
  webhookNamesFile: setting("HOLDFAST_WEBHOOK_NAMES_FILE", "none", optionalPath),
  pinsTokens: setting("HOLDFAST_PINS_TOKENS", "", parsePinsTokens),
  pinsPerTokenMax: setting("HOLDFAST_PINS_PER_TOKEN_MAX", "100000", integer(1, 1_000_000)),
  pinsPerSecondMax: setting("HOLDFAST_PINS_PER_SECOND_MAX", "100", integer(1, 10_000)),
  pinBytesMax: setting(
    "HOLDFAST_PIN_BYTES_MAX",
    String(100 * 1024 * MIB),
    zeroOr(integer(1, 1024 * 1024 * 1024 * MIB)),
  ),
  nostrRelays: setting("HOLDFAST_NOSTR_RELAYS", "none", parseRelays),
  nostrKinds: setting("HOLDFAST_NOSTR_KINDS", "30078,78", parseKinds),
  nostrAuthors: setting("HOLDFAST_NOSTR_AUTHORS", "none", parseAuthors),
  nostrDeny: setting("HOLDFAST_NOSTR_DENY", "none", parseDenied),
  nostrPinsPerDay: setting("HOLDFAST_NOSTR_PINS_PER_DAY", "1000", integer(1, 1_000_000_000)),
  nostrPinsPerDayOfAll: setting("HOLDFAST_NOSTR_PINS_PER_DAY_OF_ALL", "10000", integer(1, 1_000_000_000)),
  nostrBytesPerDay: setting(
    "HOLDFAST_NOSTR_BYTES_PER_DAY",
    String(1024 * MIB),
    integer(1, 1024 * 1024 * MIB),
  ),
  nostrAnnounce: setting("HOLDFAST_NOSTR_ANNOUNCE", "off", oneOf("off", "on", "all")),
  nostrConfirmations: setting("HOLDFAST_NOSTR_CONFIRMATIONS", "1", integer(1, 32)),
  nostrPrivateKey: setting("HOLDFAST_NOSTR_PRIVATE_KEY", "generated", parsePrivateKey),
  follow: setting("HOLDFAST_FOLLOW", "none", parseFollow),
  pinList: setting("HOLDFAST_PIN_LIST", "none", optionalPath),
  logLevel: setting("HOLDFAST_LOG_LEVEL", "info", oneOf(...LOG_LEVELS)),
} as const;

export type SettingName = keyof typeof SETTINGS;
export type SettingValues = { readonly [K in SettingName]: ReturnType<(typeof SETTINGS)[K]["parse"]> };

const OWN_RATES = { unused: "puts have its default rates here; HOLDFAST_RATE_LIMITS=off lifts them" };
const IN_THE_VAULT = { unused: "submitted blocks are in the vault, which HOLDFAST_VAULT_BYTES_MAX bounds" };

/** The variables of the reference system: what each became, or why it has no effect. */
export const REFERENCE_VARIABLES: Readonly<
  Record<string, `HOLDFAST_${string}` | { readonly unused: string }>
> = {
  NODE_NAME: "HOLDFAST_NODE_NAME",
  DB_PATH: { unused: "all state lives in HOLDFAST_DATA_DIR" },
  DOMAIN: { unused: "TLS is the matter of a proxy in front; HOLDFAST_GATEWAY_HOSTS has the names of hosts" },
  IPFS_API_URL: "HOLDFAST_KUBO_RPC_URL",
  NOSTR_RELAYS: "HOLDFAST_NOSTR_RELAYS",
  NOSTR_PRIVATE_KEY: "HOLDFAST_NOSTR_PRIVATE_KEY",
  MAX_PINS_PER_SECOND: "HOLDFAST_PINS_PER_SECOND_MAX",
  PIN_LIST: "HOLDFAST_PIN_LIST",
  ANNOUNCE_INTERVAL: "HOLDFAST_REANNOUNCE_INTERVAL",
  ANNOUNCE_PROBABILITY: "HOLDFAST_REANNOUNCE_PROBABILITY",
  STALE_THRESHOLD_SECONDS: {
    unused: "a record is stale after min(TTL, 60 s), the reference system's default",
  },
  RATE_LIMIT_GLOBAL_PER_SECOND: OWN_RATES,
  RATE_LIMIT_PER_IP_PER_MINUTE: OWN_RATES,
  RATE_LIMIT_PER_IPNS_NAME_PER_SECOND: OWN_RATES,
  SIDECAR_CACHE_ENABLED: IN_THE_VAULT,
  SIDECAR_CACHE_DIR: IN_THE_VAULT,
  SIDECAR_CACHE_MAX_BYTES: IN_THE_VAULT,
  SIDECAR_CACHE_MAX_ENTRIES: IN_THE_VAULT,
  SIDECAR_CACHE_MAX_BLOB_BYTES: IN_THE_VAULT,
};

function setting<T>(
  variable: `HOLDFAST_${string}`,
  fallback: string,
  parse: (text: string) => T,
): Setting<T> {
  return { variable, fallback, parse };
}

function text(value: string): string {
  if (value.trim() === "") throw new Error("is empty");
  return value;
}

function path(value: string): string {
  return isAbsolute(value) ? value : resolve(text(value));
}

/** Undefined for `none`. */
function optionalPath(value: string): string | undefined {
  return value === "none" ? undefined : path(value);
}

function oneOf<const T extends string>(...allowed: readonly T[]): (value: string) => T {
  return (value) => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`is not one of ${allowed.join(", ")}`);
    return found;
  };
}

function onOff(value: string): boolean {
  return oneOf("on", "off")(value) === "on";
}

function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Error(`is not a whole number from ${min} to ${max}`);
    return number;
  };
}

/** Undefined stands for the bound that belongs to the backend, 0 for none. */
function vaultBytes(value: string): number | undefined {
  return value === "default" ? undefined : zeroOr(integer(MIB, 1024 * 1024 * 1024 * MIB))(value);
}

function probability(value: string): number {
  const number = /^\d{1,3}(\.\d{1,15})?$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= 0 && number <= 1)) throw new Error("is not a number from 0 to 1");
  return number;
}

/** 0 turns the thing off. */
function zeroOr(parse: (value: string) => number): (value: string) => number {
  return (value) => (value === "0" ? 0 : parse(value));
}

function list(value: string): readonly string[] {
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function multiaddrs(value: string): readonly string[] {
  if (value === "none") return [];
  const items = list(value);
  const bad = items.find((item) => !isMultiaddr(item));
  if (items.length === 0 || bad !== undefined) throw new Error("is not a comma list of multiaddrs, or none");
  return items;
}

function isMultiaddr(item: string): boolean {
  try {
    return multiaddr(item).getComponents().length > 0;
  } catch {
    // Its message is about the library's own terms; ours says what is expected.
    return false;
  }
}

function endsInPeerId(item: string): boolean {
  return multiaddr(item).getComponents().at(-1)?.name === "p2p";
}

/** Base URLs; a query or a fragment has no place in them. */
function gatewayUrls(value: string): readonly string[] {
  if (value === "none") return [];
  const items = list(value);
  if (items.length === 0 || !items.every(isBaseUrl)) {
    throw new Error("is not a comma list of http(s) URLs without query, or none");
  }
  return items;
}

/** Undefined for `none`. */
function optionalBaseUrl(value: string): string | undefined {
  if (value === "none") return undefined;
  if (!isBaseUrl(value)) throw new Error("is not an http(s) URL without query, or none");
  return value;
}

function isBaseUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  return isHttp && `${url.search}${url.hash}${url.username}${url.password}` === "";
}

/** Undefined stands for the list that belongs to the network. */
function bootstrap(value: string): readonly string[] | undefined {
  if (value === "default") return undefined;
  const addresses = multiaddrs(value);
  // Without it the embedded node would not start, again and again.
  if (!addresses.every(endsInPeerId)) throw new Error("has a multiaddr that does not end in /p2p/{peer id}");
  return addresses;
}

const TOKEN_LENGTH_MIN = 16;

function tokens(value: string): readonly string[] {
  const items = list(value);
  if (items.some((item) => item.length < TOKEN_LENGTH_MIN)) {
    // The value itself is a secret: it must not be repeated in the message, which `readConfig` takes care of.
    throw new Error(`has a token of fewer than ${TOKEN_LENGTH_MIN} characters`);
  }
  return items;
}
