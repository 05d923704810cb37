import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const IPFS_BINARY = fileURLToPath(new URL("../../../../.cache/servers/ipfs", import.meta.url));

export interface StartKuboOptions {
  /** Shown in errors and in the name of the temporary folder. */
  readonly label?: string;
  /** Multiaddrs with `/p2p/…` that it connects to before it counts as ready, and again after a restart. */
  readonly peers?: readonly string[];
  /** Merged over the configuration, section by section. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Also listens on a WebSocket. */
  readonly webSocket?: boolean;
  /**
   * The loopback address that it listens on. Whoever restarts it at the same ports gives it one of its own, where nobody else
   * takes them meanwhile. Default: 127.0.0.1.
   */
  readonly host?: string;
  /** Sent with each call of its RPC, for a configuration with `API.Authorizations`. */
  readonly authorization?: string;
  /** Its blocks are on a disk of this size, see {@link canLimitDisk}. */
  readonly diskBytes?: number;
}

/** Makes the repository, with a configuration that stays on loopback. */
export async function initialise(repo: string, options: StartKuboOptions): Promise<void> {
  await promisify(execFile)(IPFS_BINARY, ["init", "--profile=test"], { env: environmentOf(repo) });
  await configure(repo, options);
}

/** The daemon; with a small disk in a mount namespace of its own, which ends with it, blocks and all. */
export function daemonOn(repo: string, diskBytes: number | undefined): [string, ...string[]] {
  if (diskBytes === undefined) return [IPFS_BINARY, "daemon"];
  const script = `cp -a "$1" "$1.before" && mount -t tmpfs -o size=${diskBytes} tmpfs "$1" && cp -a "$1.before/." "$1" && exec "$2" daemon`;
  return ["unshare", "-rm", "sh", "-ec", script, "sh", join(repo, "blocks"), IPFS_BINARY];
}

async function configure(repo: string, options: StartKuboOptions): Promise<void> {
  const anyPort = `/ip4/${hostOf(options)}/tcp/0`;
  await editConfig(repo, {
    Addresses: {
      API: anyPort,
      Gateway: anyPort,
      Swarm: [anyPort, ...(options.webSocket === true ? [`${anyPort}/ws`] : [])],
    },
    AutoConf: { Enabled: false },
    AutoTLS: { Enabled: false },
    DNS: { Resolvers: {} },
    Discovery: { MDNS: { Enabled: false } },
    HTTPRetrieval: { Enabled: false },
    Ipns: { DelegatedPublishers: [] },
    Plugins: { Plugins: { telemetry: { Disabled: true, Config: { Mode: "off" } } } },
    Routing: { Type: "dht", LoopbackAddressesOnLanDHT: true, DelegatedRouters: [] },
    Swarm: { DisableNatPortMap: true, RelayClient: { Enabled: false }, RelayService: { Enabled: false } },
    Version: { SwarmCheckEnabled: false },
    ...options.config,
  });
}

export function hostOf({ host = "127.0.0.1" }: StartKuboOptions): string {
  return host;
}

/** Merges over the configuration, section by section. */
export async function editConfig(
  repo: string,
  sections: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): Promise<void> {
  const file = join(repo, "config");
  const config = JSON.parse(await readFile(file, "utf8")) as Record<string, Record<string, unknown>>;
  for (const [name, section] of Object.entries(sections)) config[name] = { ...config[name], ...section };
  const bootstrap: readonly string[] = [];
  await writeFile(file, JSON.stringify({ ...config, Bootstrap: bootstrap }, undefined, 2));
}

export function environmentOf(repo: string): NodeJS.ProcessEnv {
  return { ...process.env, IPFS_PATH: repo, IPFS_TELEMETRY: "off", GOMAXPROCS: "1" };
}
