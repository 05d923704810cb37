import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CID } from "multiformats/cid";
import { FileBlockStore } from "../../src/adapters/files/block-store.ts";
import { MemoryPinStore } from "../../src/adapters/memory/pin-store.ts";
import type { BlockSource } from "../../src/content/block-source.ts";
import { Blocks } from "../../src/content/blocks.ts";
import { Vault } from "../../src/content/vault.ts";
import { contentRoutes } from "../../src/http/routes/content.ts";
import { type ContentRpcOptions, contentRpcRoutes } from "../../src/http/routes/dag-routes.ts";
import { pinCommandRoutes } from "../../src/http/routes/pin-commands.ts";
import type { BlockReader } from "../../src/gateway/block-reader.ts";
import type { PublicServerOptions } from "../../src/http/public-server.ts";
import type { Pinner } from "../../src/pins/pinner.ts";
import { Pins } from "../../src/pins/pins.ts";
import { systemClock } from "../../src/telemetry/clock.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { PINS_OPTIONS } from "./create-pins.ts";
import { ScriptedPinner } from "./scripted-pinner.ts";
import { WritePolicy } from "../../src/http/write-policy.ts";
import type { Dnslinks } from "../../src/records/dnslinks.ts";
import type { RecordRouter } from "../../src/records/lookup/record-router.ts";
import type { Records } from "../../src/records/records.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { startHttp, type TestHttp } from "./start-http.ts";

export interface StartContentOptions {
  readonly sources?: readonly BlockSource[];
  readonly routers?: readonly RecordRouter[];
  readonly addLimits?: ContentRpcOptions;
  readonly retrievalTimeoutMs?: number;
  readonly vaultBytesMax?: number;
  /** Another repository than the vault. Absent: the vault is it. */
  readonly pinner?: Pinner;
  readonly writePolicy?: WritePolicy;
  readonly dnslinks?: Dnslinks;
  readonly server?: Partial<
    Pick<
      PublicServerOptions,
      "gatewayHosts" | "trustedProxies" | "responseCacheBytesMax" | "rateLimits" | "rates"
    >
  >;
}

export interface TestContent extends AsyncDisposable {
  readonly url: string;
  readonly http: TestHttp;
  readonly vault: FileBlockStore;
  readonly vaultDirectory: string;
  readonly pins: Pins;
  readonly pinStore: MemoryPinStore;
  readonly blocks: Blocks;
  readonly added: { readonly roots: readonly CID[]; readonly cids: readonly CID[] }[];
  /** Asks for a target that no URL class may touch, over a bare socket; the answer as it came. */
  raw(requestText: string): Promise<string>;
}

/** The public listener with the routes of content over a real vault; only the network's edge is scripted. */
export async function startContent(options: StartContentOptions = {}): Promise<TestContent> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-content-"));
  const vault = await FileBlockStore.open(directory);
  const writePolicy = options.writePolicy ?? new WritePolicy({ kind: "open" });
  const added: TestContent["added"] = [];
  const { retrievalTimeoutMs } = options;
  let http: TestHttp | undefined;
  let blocks: Blocks | undefined;
  const metrics = new Metrics();
  const pinStore = new MemoryPinStore();
  const pins = createPins(options, { store: pinStore, vault, metrics });
  // The server that they belong to makes this and the records; requests come only when it listens.
  const reader: BlockReader & Pick<Blocks, "getHeld"> = {
    get: (...args) => existing(blocks).get(...args),
    getHeld: (cid) => existing(blocks).getHeld(cid),
    isHeld: (cid) => existing(blocks).isHeld(cid),
  };
  const records: Pick<Records, "resolve" | "resolvePath"> = {
    resolvePath: (...args) => existing(http).records.resolvePath(...args),
    resolve: (...args) => existing(http).records.resolve(...args),
  };
  const reading = retrievalTimeoutMs === undefined ? {} : { retrievalTimeoutMs };
  const routes = [
    contentRpcRoutes(
      {
        vault: new Vault({ store: vault, metrics: new Metrics() }, { bytesMax: options.vaultBytesMax ?? 0 }),
        blocks: reader,
        pins,
        writePolicy,
        metrics,
        onAdded: (event) => {
          existing(blocks).noteStored(event.cids);
          added.push(event);
        },
      },
      { ...options.addLimits, ...reading },
    ),
    contentRoutes({ blocks: reader, records }, reading),
    pinCommandRoutes({ pins, blocks: reader, records, writePolicy, clock: systemClock }),
  ];
  http = await startHttp({
    routers: options.routers ?? [],
    writePolicy,
    server: { ...options.server, routes },
    ...(options.dnslinks === undefined ? {} : { dnslinks: options.dnslinks }),
  });
  blocks = new Blocks({ vault, sources: options.sources ?? [], metrics: http.metrics });
  const { url, port } = http;
  return {
    url,
    http,
    vault,
    vaultDirectory: directory,
    pins,
    pinStore,
    blocks,
    added,
    raw: (text) => exchange(port, text),
    async [Symbol.asyncDispose]() {
      await existing(http)[Symbol.asyncDispose]();
      await pins[Symbol.asyncDispose]();
      await vault[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

function existing<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is not there yet");
  return value;
}

export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

async function exchange(port: number, text: string): Promise<string> {
  const socket = await openSocket(port);
  socket.end(text);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString("latin1");
}

/** Over the vault as the repository, or over the pinner of the test, and then at work. */
function createPins(
  { pinner }: StartContentOptions,
  parts: { readonly store: MemoryPinStore; readonly vault: FileBlockStore; readonly metrics: Metrics },
): Pins {
  const { vault, ...rest } = parts;
  const pins = new Pins(
    {
      ...rest,
      ...(pinner === undefined ? { vault, pinner: new ScriptedPinner() } : { pinner }),
      // Or a pin would be blamed for it, and rest for half a minute, when a test is slow to let it come back.
      isBackendUp: () => !(pinner instanceof ScriptedPinner && pinner.isAway),
      clock: systemClock,
      timers: systemClock,
      random: Math.random,
      logger: createLogger("silent"),
    },
    PINS_OPTIONS,
  );
  if (pinner !== undefined) pins.start();
  return pins;
}
