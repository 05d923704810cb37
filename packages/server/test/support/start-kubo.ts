import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import {
  daemonOn,
  editConfig,
  environmentOf,
  hostOf,
  initialise,
  IPFS_BINARY,
  type StartKuboOptions,
} from "./kubo-repository.ts";

const START_TIMEOUT_MS = 60_000;
const RPC_TIMEOUT_MS = 40_000;
/** go-libp2p's number for a query event that names providers. */
const PROVIDER_EVENT = 4;

/**
 * Whether the real Kubo binary is there (`tools/servers/build.sh` builds it). Use as `describe.skipIf(!kuboAvailable)`:
 * without the binary the tests are skipped with a line on stderr, and with `TEST_REQUIRE_SERVERS=1` importing this throws.
 */
export const kuboAvailable: boolean = findKubo();

function findKubo(): boolean {
  if (existsSync(IPFS_BINARY)) return true;
  const problem = `no Kubo binary at ${IPFS_BINARY}: run tools/servers/build.sh`;
  if (process.env["TEST_REQUIRE_SERVERS"] === "1") throw new Error(problem);
  process.stderr.write(`SKIPPED, tests against real Kubo: ${problem}\n`);
  return false;
}

/** Whether a process here may have mounts of its own, which a small disk for one Kubo needs. */
export function canLimitDisk(): boolean {
  return spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", tmpdir()]).status === 0;
}

interface RoutingTable {
  readonly Buckets: readonly { readonly Peers: readonly { readonly ID: string }[] | null }[] | null;
}

/** A file part of an RPC request. */
export interface RpcFile {
  readonly name?: string;
  readonly bytes: Uint8Array;
}

/**
 * A real Kubo daemon on loopback with its own temporary repository: LAN DHT only, no bootstrap, no DNS, no mDNS, no
 * telemetry. Disposing it kills the process and removes the repository.
 */
export class Kubo implements AsyncDisposable {
  readonly label: string;
  readonly #repo: string;
  readonly #options: StartKuboOptions;
  #process: ChildProcess | undefined;
  #ready: Promise<void>;
  #apiAddr = "";
  #apiUrl = "";
  #gatewayUrl = "";
  #peerId = "";
  #addrs: readonly string[] = [];
  #stderr = "";

  private constructor(label: string, repo: string, options: StartKuboOptions) {
    this.label = label;
    this.#repo = repo;
    this.#options = options;
    this.#ready = this.#run();
  }

  static async start(options: StartKuboOptions = {}): Promise<Kubo> {
    const label = options.label ?? "kubo";
    const repo = await mkdtemp(join(tmpdir(), `holdfast-${label}-`));
    await initialise(repo, options);
    const kubo = new Kubo(label, repo, options);
    try {
      await kubo.ready;
    } catch (err) {
      await kubo[Symbol.asyncDispose]();
      throw err;
    }
    return kubo;
  }

  /** Settles when the daemon answers; a new promise after each {@link restart}. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** E.g. `http://127.0.0.1:40123`. As `gatewayUrl` and `addrs` it changes with a restart, unless the ports are kept. */
  get apiUrl(): string {
    return this.#apiUrl;
  }

  get gatewayUrl(): string {
    return this.#gatewayUrl;
  }

  get peerId(): string {
    return this.#peerId;
  }

  /** Swarm addresses, each ending in `/p2p/<peer id>`. */
  get addrs(): readonly string[] {
    return this.#addrs;
  }

  /** The TCP address, for parts that want exactly one. */
  get addr(): string {
    const tcp = this.#addrs.find((a) => !a.includes("/ws"));
    if (tcp === undefined) throw new Error(`${this.label} listens nowhere`);
    return tcp;
  }

  /**
   * Calls `/api/v0/${path}`; throws on any other status than 200.
   *
   * @param path e.g. `routing/get?arg=/ipns/k51…`
   */
  async rpc(
    path: string,
    body?: RpcFile | FormData,
    options: { signal?: AbortSignal } = {},
  ): Promise<Response> {
    const { authorization } = this.#options;
    const response = await fetch(`${this.#apiUrl}/api/v0/${path}`, {
      method: "POST",
      headers: authorization === undefined ? {} : { authorization },
      signal: options.signal ?? AbortSignal.timeout(RPC_TIMEOUT_MS),
      ...(body === undefined ? {} : { body: body instanceof FormData ? body : formOf(body) }),
    });
    if (response.ok) return response;
    throw new Error(`${this.label}: ${path} answered ${response.status}: ${await response.text()}`);
  }

  async json<T>(path: string, body?: RpcFile | FormData, options: { signal?: AbortSignal } = {}): Promise<T> {
    return (await (await this.rpc(path, body, options)).json()) as T;
  }

  async bytes(
    path: string,
    body?: RpcFile | FormData,
    options: { signal?: AbortSignal } = {},
  ): Promise<Uint8Array> {
    return new Uint8Array(await (await this.rpc(path, body, options)).arrayBuffer());
  }

  async connect(multiaddr: string): Promise<void> {
    await this.rpc(`swarm/connect?arg=${encodeURIComponent(multiaddr)}`);
  }

  /** Peer ids of the peers it is connected to. */
  async connectedPeers(): Promise<readonly string[]> {
    const { Peers } = await this.json<{ Peers: { Peer: string }[] | null }>("swarm/peers");
    return (Peers ?? []).map((p) => p.Peer);
  }

  /** Settles when its DHT asks these peers, some moments after they were connected: queries and puts before do not reach them. */
  async routesTo(...peerIds: readonly string[]): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const { Buckets } = await this.json<RoutingTable>("stats/dht?arg=lan");
      const asked = (Buckets ?? []).flatMap(({ Peers }) => (Peers ?? []).map(({ ID }) => ID));
      const missing = peerIds.filter((id) => !asked.includes(id));
      if (missing.length === 0) return;
      if (Date.now() > deadline) throw new Error(`${this.label} does not route to ${missing.join(", ")}`);
      await pause(20);
    }
  }

  /** Adds and pins a file; its root CID. */
  async add(bytes: Uint8Array, query = "cid-version=1&raw-leaves=true"): Promise<string> {
    const { Hash } = await this.json<{ Hash: string }>(`add?${query}`, { bytes });
    return Hash;
  }

  async generateKey(name: string, type = "ed25519"): Promise<string> {
    const { Id } = await this.json<{ Id: string }>(`key/gen?arg=${name}&type=${type}`);
    return Id;
  }

  /** `resolve=false`: publishing content that cannot be fetched would otherwise hang. */
  async publish(key: string, path: string, lifetime = "24h"): Promise<void> {
    await this.rpc(
      `name/publish?arg=${path}&key=${key}&resolve=false&lifetime=${lifetime}&allow-offline=true`,
    );
  }

  /** The raw record as its routing gives it, or undefined. */
  async routingGet(name: string): Promise<Uint8Array | undefined> {
    try {
      const { Extra } = await this.json<{ Extra: string }>(`routing/get?arg=/ipns/${name}`);
      return new Uint8Array(Buffer.from(Extra, "base64"));
    } catch (err) {
      if (err instanceof Error && err.message.includes("answered 500")) return undefined;
      throw err;
    }
  }

  /** Answers 200 for rubbish as well: confirm with {@link routingGet}. */
  async routingPut(name: string, record: Uint8Array): Promise<void> {
    await this.rpc(`routing/put?arg=/ipns/${name}&allow-offline=true`, { bytes: record });
  }

  /** Peer ids of those who announced this CID on the DHT. */
  async findProviders(cid: string): Promise<readonly string[]> {
    const answer = await this.rpc(`routing/findprovs?arg=${cid}&num-providers=5`);
    const events = (await answer.text()).split("\n").filter((line) => line !== "");
    return events.flatMap((line) => {
      const { Type, Responses } = JSON.parse(line) as { Type: number; Responses: { ID: string }[] | null };
      return Type === PROVIDER_EVENT ? (Responses ?? []).map((r) => r.ID) : [];
    });
  }

  /** Ends the process and waits until it is gone. The repository stays. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Stops the process without ending it: its connections stay open and silent. {@link kill} ends it all the same. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  /**
   * Kills it if it still runs, and starts it again on the same repository: same identity and blocks, and other ports unless
   * those of RPC and swarm are to be kept.
   */
  async restart(options: { readonly keepPorts?: boolean } = {}): Promise<void> {
    await this.kill();
    if (options.keepPorts === true) await this.#keepPorts();
    this.#ready = this.#run();
    await this.#ready;
  }

  /** Kills it and starts another one at the same ports: an empty repository, another identity. */
  async replaceRepository(): Promise<void> {
    await this.kill();
    await rm(this.#repo, { recursive: true, force: true });
    await mkdir(this.#repo);
    await initialise(this.#repo, this.#options);
    await this.#keepPorts();
    this.#ready = this.#run();
    await this.#ready;
  }

  /** Ends what {@link freeze} began. */
  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Makes the disk of `diskBytes` larger, while it runs. */
  async growDisk(bytes: number): Promise<void> {
    const inside = ["-t", String(this.#process?.pid), "-U", "-m", "--preserve-credentials"];
    const grow = ["mount", "-o", `remount,size=${bytes}`, join(this.#repo, "blocks")];
    await promisify(execFile)("nsenter", [...inside, ...grow]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#repo, { recursive: true, force: true });
  }

  async #keepPorts(): Promise<void> {
    const Swarm = this.#addrs.map((addr) => addr.replace(/\/p2p\/.*/, ""));
    await editConfig(this.#repo, { Addresses: { API: this.#apiAddr, Swarm } });
  }

  async #run(): Promise<void> {
    await Promise.all(["api", "gateway"].map((file) => rm(join(this.#repo, file), { force: true })));
    this.#stderr = "";
    const [program, ...args] = daemonOn(this.#repo, this.#options.diskBytes);
    const child = spawn(program, args, {
      env: environmentOf(this.#repo),
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-4_000);
    });
    this.#apiAddr = await this.#waitForFile(child, "api");
    this.#apiUrl = httpUrlOf(this.#apiAddr);
    this.#gatewayUrl = (await this.#waitForFile(child, "gateway")).replace(/\/$/, "");
    const { ID, Addresses } = await this.#waitForId(child);
    this.#peerId = ID;
    this.#addrs = Addresses.filter((a) => a.startsWith(`/ip4/${hostOf(this.#options)}/tcp/`));
    for (const peer of this.#options.peers ?? []) await this.connect(peer);
  }

  async #waitForFile(child: ChildProcess, file: string): Promise<string> {
    return this.#waitFor(child, async () => {
      const text = await readFile(join(this.#repo, file), "utf8").catch(() => "");
      return text.trim() === "" ? undefined : text.trim();
    });
  }

  async #waitForId(child: ChildProcess): Promise<{ ID: string; Addresses: string[] }> {
    return this.#waitFor(child, async () => {
      // The port is written before the server answers.
      const answer = await this.json<{ ID: string; Addresses: string[] | null }>("id").catch(() => undefined);
      return answer?.Addresses == null || answer.Addresses.length === 0
        ? undefined
        : { ID: answer.ID, Addresses: answer.Addresses };
    });
  }

  async #waitFor<T>(child: ChildProcess, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        throw new Error(`${this.label} did not start: ${this.#stderr}`);
      }
      await pause(20);
    }
  }
}

/** Daemons of this process; none outlives it, not even when a test run is broken off. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a real Kubo daemon on loopback. Dispose it (`await using`). */
export function startKubo(options: StartKuboOptions = {}): Promise<Kubo> {
  return Kubo.start(options);
}

function formOf(file: RpcFile): FormData {
  const form = new FormData();
  form.append("file", new Blob([new Uint8Array(file.bytes)]), file.name ?? "file");
  return form;
}

/** `/ip4/127.0.0.1/tcp/5001` → `http://127.0.0.1:5001`. */
function httpUrlOf(multiaddr: string): string {
  const [, , host, , port] = multiaddr.split("/");
  return `http://${host ?? ""}:${port ?? ""}`;
}
