import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { examine } from "../src/cli/doctor.ts";
import { IPFS_BINARY } from "./support/kubo-repository.ts";
import { type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

interface Json {
  readonly kubo: { readonly gcEnabled: boolean | null; readonly version: string };
  readonly findings: readonly {
    readonly id: string;
    readonly severity: string;
    readonly safe: boolean;
    readonly mend: readonly string[];
  }[];
  readonly applied?: readonly { readonly id: string; readonly key: string; readonly error?: string }[];
  readonly restartNeeded: boolean;
}

async function doctor(rpc: string, apply = false): Promise<Json & { code: number; ids: readonly string[] }> {
  let text = "";
  const code = await examine({ rpc, apply, json: true }, (part) => (text += part));
  const report = JSON.parse(text) as Json;
  return { ...report, code, ids: report.findings.map((finding) => finding.id) };
}

const configOf = (kubo: Kubo): Promise<Record<string, Record<string, unknown>>> => kubo.json("config/show");

const setConfig = (kubo: Kubo, key: string, value: unknown): Promise<unknown> =>
  kubo.rpc(`config?arg=${key}&arg=${encodeURIComponent(JSON.stringify(value))}&json=true`);

/** Does what a person does who believes the report: pastes each command into a shell. */
async function followAdvice(kubo: Kubo, { findings }: Json): Promise<void> {
  const { RepoPath } = await kubo.json<{ RepoPath: string }>("repo/stat");
  const path = [dirname(IPFS_BINARY), process.env["PATH"] ?? ""].join(delimiter);
  const env = { ...process.env, PATH: path, IPFS_PATH: RepoPath, IPFS_TELEMETRY: "off" };
  const commands = findings.flatMap(({ mend }) => mend.filter((line) => line.startsWith("ipfs config ")));
  for (const command of commands) await promisify(execFile)("sh", ["-c", command], { env });
}

/** What a program may mend, each as a daemon really runs with it. */
const PLANTED_SAFE = {
  Routing: {
    Type: "dht",
    DelegatedRouters: [],
    LoopbackAddressesOnLanDHT: false,
    AcceleratedDHTClient: false,
  },
  Ipns: { DelegatedPublishers: [], ResolveCacheSize: 128 },
  Gateway: { ExposeRoutingAPI: false },
  Swarm: {
    DisableNatPortMap: true,
    RelayClient: { Enabled: false },
    RelayService: { Enabled: false },
    ConnMgr: { LowWater: 32, HighWater: 96 },
    Transports: { Network: { Websocket: false } },
  },
};
const SAFE_IDS = [
  "accelerated-dht",
  "ipns-cache",
  "routing-api",
  "bloom-filter",
  "websocket-transport",
  "connection-manager",
  "provide-sweep",
];

describe.skipIf(!kuboAvailable)("the doctor at a real Kubo", { timeout: 180_000 }, () => {
  test("each planted misconfiguration is found, --apply mends what is safe, and Kubo starts with it", async () => {
    await using kubo = await startKubo({
      label: "doctor",
      config: {
        ...PLANTED_SAFE,
        Datastore: { StorageMax: "10kB", BloomFilterSize: 0 },
        Provide: { Strategy: "roots", DHT: { SweepEnabled: false } },
      },
    });
    const delicate = ["gc-storage-max", "websocket-listener", "provide-strategy", "peers"];

    const before = await doctor(kubo.apiUrl);
    expect(new Set(before.ids)).toEqual(new Set([...SAFE_IDS, ...delicate]));
    expect(before.findings.filter((finding) => finding.safe).map(({ id }) => id)).toEqual(
      expect.arrayContaining(SAFE_IDS),
    );
    expect(before).toMatchObject({ code: 0, kubo: { gcEnabled: false }, restartNeeded: false });
    expect((await configOf(kubo))["Ipns"]).toMatchObject({ ResolveCacheSize: 128 });

    const applied = await doctor(kubo.apiUrl, true);
    expect(applied).toMatchObject({ code: 0, restartNeeded: true });
    expect(new Set(applied.applied?.map(({ id }) => id))).toEqual(new Set(SAFE_IDS));
    expect(applied.applied?.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(await configOf(kubo)).toMatchObject({
      Datastore: { StorageMax: "10kB", BloomFilterSize: 16_777_216 },
      Gateway: { ExposeRoutingAPI: true },
      Ipns: { ResolveCacheSize: 16_384 },
      Provide: { Strategy: "roots", DHT: { SweepEnabled: true } },
      Routing: { Type: "dht", AcceleratedDHTClient: true },
      Swarm: { ConnMgr: { LowWater: 600, HighWater: 900 }, Transports: { Network: { Websocket: true } } },
    });

    expect(new Set((await doctor(kubo.apiUrl)).ids)).toEqual(new Set(delicate));
    await kubo.restart();
    const left = await doctor(kubo.apiUrl, true);
    expect(left).toMatchObject({ applied: [], restartNeeded: false });

    await followAdvice(kubo, left);
    // A node of a test has no peers, and the listener that it now has needs a name that nobody can guess.
    expect(new Set((await doctor(kubo.apiUrl)).ids)).toEqual(new Set(["peers", "websocket-announce"]));
  });

  test("R37: an open RPC, gateway and origin are found, and --apply only prints what to do", async () => {
    await using kubo = await startKubo({ label: "doctor" });
    // Set while it runs, so that nothing here ever listens on anything but loopback.
    const planted = {
      "Addresses.API": "/ip4/0.0.0.0/tcp/5001",
      "Addresses.Gateway": ["/ip4/0.0.0.0/tcp/8080"],
      "API.HTTPHeaders": { "Access-Control-Allow-Origin": ["*"] },
      "Provide.Enabled": false,
      "Routing.Type": "none",
      "Swarm.ConnMgr.Type": "none",
    };
    for (const [key, value] of Object.entries(planted)) await setConfig(kubo, key, value);

    const found = await doctor(kubo.apiUrl, true);
    expect(found.code).toBe(1);
    expect(found.findings.filter(({ severity }) => severity === "critical").map(({ id }) => id)).toEqual([
      "rpc-exposed",
      "rpc-any-origin",
    ]);
    expect(found.ids).toEqual(
      expect.arrayContaining(["gateway-exposed", "provide-enabled", "routing-type", "connection-manager"]),
    );
    expect(await configOf(kubo)).toMatchObject({
      Addresses: { API: planted["Addresses.API"], Gateway: planted["Addresses.Gateway"] },
      API: { HTTPHeaders: planted["API.HTTPHeaders"] },
      Provide: { Enabled: false },
      Routing: { Type: "none" },
      Swarm: { ConnMgr: { Type: "basic" } },
    });

    await followAdvice(kubo, found);
    const mended = await doctor(kubo.apiUrl);
    expect(mended).toMatchObject({ code: 0 });
    expect(mended.ids).toEqual(["peers", "websocket-announce"]);
  });

  test("a WebSocket listener that nobody is told of is found", async () => {
    await using kubo = await startKubo({ label: "doctor", webSocket: true });
    const before = await doctor(kubo.apiUrl);
    expect(before.ids).toContain("websocket-announce");
    expect(before.ids).not.toContain("websocket-listener");
    await setConfig(kubo, "Addresses.AppendAnnounce", ["/dns4/node.example/tcp/443/tls/ws"]);
    expect((await doctor(kubo.apiUrl)).ids).not.toContain("websocket-announce");
  });

  test("R34: GC on with a StorageMax below the repo is critical; behind a login the RPC is not open", async () => {
    await using kubo = await startKubo({ label: "doctor", config: { Datastore: { StorageMax: "10kB" } } });
    await kubo.add(new Uint8Array(100_000));
    const login = { AuthSecret: "basic:us:a:b", AllowedPaths: ["/api/v0"] };
    await setConfig(kubo, "API.Authorizations", { us: login });
    const { RepoPath } = await kubo.json<{ RepoPath: string }>("repo/stat");
    await kubo.kill("SIGTERM");

    await using daemon = await startWithGc(RepoPath);
    const withLogin = daemon.url.replace("//", "//us:a%3Ab@");
    await until(async () => expect((await doctor(withLogin)).code).toBe(1), 60_000);
    const found = await doctor(withLogin);
    expect(found.kubo.gcEnabled).toBe(true);
    expect(found.findings[0]).toMatchObject({ id: "gc-storage-max", severity: "critical", safe: false });
    await setConfigWithLogin(daemon.url, "Addresses.API", "/ip4/0.0.0.0/tcp/5001");
    expect((await doctor(withLogin, true)).ids).not.toContain("rpc-exposed");

    let refused = "";
    expect(await examine({ rpc: daemon.url, apply: false, json: false }, (text) => (refused += text))).toBe(
      2,
    );
    expect(refused).toContain("give the login of API.Authorizations");
  });
});

async function setConfigWithLogin(url: string, key: string, value: string): Promise<void> {
  const answer = await fetch(`${url}/api/v0/config?arg=${key}&arg=${value}`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from("us:a:b").toString("base64")}` },
  });
  expect(answer.status).toBe(200);
}

/** A daemon with `--enable-gc` on a repository that no other daemon uses now. */
async function startWithGc(repo: string): Promise<AsyncDisposable & { readonly url: string }> {
  const api = join(repo, "api");
  await rm(api, { force: true });
  const child = spawn(IPFS_BINARY, ["daemon", "--enable-gc"], {
    env: { ...process.env, IPFS_PATH: repo, IPFS_TELEMETRY: "off", GOMAXPROCS: "1" },
    stdio: "ignore",
  });
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.once("exit", killAtExit);
  const stop = async (): Promise<void> => {
    process.off("exit", killAtExit);
    await end(child);
  };
  try {
    const url = await until(async () => {
      const [, , host = "", , port = ""] = (await readFile(api, "utf8")).trim().split("/");
      expect(port).not.toBe("");
      return `http://${host}:${port}`;
    }, 60_000);
    return { url, [Symbol.asyncDispose]: stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
