import { hostname } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { multiaddr } from "@multiformats/multiaddr";
import { parseDns, parseDnslinkMap, parseGatewayHosts } from "./gateway-hosts.ts";
import { parseListen } from "./listen.ts";

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
  kuboRpcUrl: setting("HOLDFAST_KUBO_RPC_URL", "http://127.0.0.1:5001", rpcUrl),
  network: setting("HOLDFAST_NETWORK", "public", oneOf("public", "lan", "offline")),
  swarmListen: setting("HOLDFAST_SWARM_LISTEN", "/ip4/0.0.0.0/tcp/4001", multiaddrs),
  bootstrap: setting("HOLDFAST_BOOTSTRAP", "default", bootstrap),
  writePolicy: setting("HOLDFAST_WRITE_POLICY", "default", oneOf("default", "open", "token", "closed")),
  writeTokens: setting("HOLDFAST_WRITE_TOKENS", "", tokens),
  rateLimits: setting("HOLDFAST_RATE_LIMITS", "on", onOff),
  trustedProxies: setting("HOLDFAST_TRUSTED_PROXIES", "", list),
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
  responseCacheBytesMax: setting(
    "HOLDFAST_RESPONSE_CACHE_BYTES_MAX",
    String(128 * MIB),
    zeroOr(integer(MIB, 64 * 1024 * MIB)),
  ),
  trustlessGateways: setting("HOLDFAST_TRUSTLESS_GATEWAYS", "none", gatewayUrls),
  addBytesMax: setting("HOLDFAST_ADD_BYTES_MAX", String(1024 * MIB), integer(1, 1024 * 1024 * MIB)),
  logLevel: setting("HOLDFAST_LOG_LEVEL", "info", oneOf(...LOG_LEVELS)),
} as const;

export type SettingName = keyof typeof SETTINGS;
export type SettingValues = { readonly [K in SettingName]: ReturnType<(typeof SETTINGS)[K]["parse"]> };

/** The variables of the reference system: what each became, or why it has no effect. */
export const REFERENCE_VARIABLES: Readonly<
  Record<string, `HOLDFAST_${string}` | { readonly unused: string }>
> = {
  NODE_NAME: "HOLDFAST_NODE_NAME",
  DB_PATH: { unused: "all state lives in HOLDFAST_DATA_DIR" },
  DOMAIN: { unused: "TLS and host names come with the gateway release" },
  IPFS_API_URL: "HOLDFAST_KUBO_RPC_URL",
  NOSTR_RELAYS: { unused: "pins from announcements come with a later release" },
  NOSTR_PRIVATE_KEY: { unused: "pins from announcements come with a later release" },
  MAX_PINS_PER_SECOND: { unused: "pins from announcements come with a later release" },
  ANNOUNCE_INTERVAL: { unused: "republishing comes with a later release" },
  ANNOUNCE_PROBABILITY: { unused: "republishing comes with a later release" },
  STALE_THRESHOLD_SECONDS: {
    unused: "a record is stale after min(TTL, 60 s), the reference system's default",
  },
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
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Error(`is not a whole number from ${min} to ${max}`);
    return number;
  };
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

/** Base URLs; a query or a fragment has no place in them. */
function gatewayUrls(value: string): readonly string[] {
  if (value === "none") return [];
  const items = list(value);
  if (items.length === 0 || !items.every(isBaseUrl)) {
    throw new Error("is not a comma list of http(s) URLs without query, or none");
  }
  return items;
}

function isBaseUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  return isHttp && `${url.search}${url.hash}${url.username}${url.password}` === "";
}

/** With or without the path that all calls have. */
function rpcUrl(value: string): string {
  if (!isBaseUrl(value)) throw new Error("is not an http(s) URL without user and query");
  return value.replace(/\/+$/, "").replace(/\/api\/v0$/, "");
}

/** Undefined stands for the list that belongs to the network. */
function bootstrap(value: string): readonly string[] | undefined {
  return value === "default" ? undefined : multiaddrs(value);
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
