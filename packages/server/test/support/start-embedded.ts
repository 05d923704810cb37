import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { EmbeddedNode, type EmbeddedNodeOptions } from "../../src/adapters/embedded/embedded-node.ts";
import { type Clock, systemClock, type Timers } from "../../src/telemetry/clock.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { rawCidOf } from "./raw-cid.ts";

export interface TestNode extends AsyncDisposable {
  readonly node: EmbeddedNode;
  readonly metrics: Metrics;
  readonly dataDir: string;
  /** Its TCP address with `/p2p/…`. */
  readonly addr: string;
  readonly peerId: string;
}

export interface StartEmbeddedOptions extends Partial<EmbeddedNodeOptions> {
  /** Waits until it runs and, if peers are configured, until its DHT asks one of them. Default: true. */
  readonly ready?: boolean;
  /** Default: the system's. */
  readonly clock?: Clock & Timers;
}

/** Less than the time a hook has, and far more than a start takes. */
const START_TIMEOUT_MS = 50_000;

/** An embedded node on a loopback LAN. Disposing it stops the node and removes its folder, unless the folder was given. */
export async function startEmbedded(options: StartEmbeddedOptions = {}): Promise<TestNode> {
  const { ready = true, clock = systemClock, ...given } = options;
  const dataDir = given.dataDir ?? (await mkdtemp(join(tmpdir(), "holdfast-embedded-")));
  const metrics = new Metrics();
  const level = process.env["TEST_LOG_LEVEL"] ?? "silent";
  const node = new EmbeddedNode(
    { network: "lan", swarmListen: ["/ip4/127.0.0.1/tcp/0"], bootstrap: [], ...given, dataDir },
    { logger: pino({ level }), metrics, clock },
  );
  node.start();
  const started: TestNode = {
    node,
    metrics,
    dataDir,
    get addr() {
      const addr = node.status().addrs[0];
      if (addr === undefined) throw new Error("the node listens nowhere");
      return addr;
    },
    get peerId() {
      const { peerId } = node.status();
      if (peerId === undefined) throw new Error("the node does not run");
      return peerId;
    },
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      if (given.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
  try {
    if (ready) await node.whenRunning({ signal: AbortSignal.timeout(START_TIMEOUT_MS) });
    if (ready && (given.bootstrap ?? []).length > 0) await introduced(node);
  } catch (err) {
    await started[Symbol.asyncDispose]();
    throw err;
  }
  return started;
}

async function introduced(node: EmbeddedNode): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (node.status().peers === 0 || !(await isReachable(node))) {
    if (Date.now() > deadline) throw new Error("no configured peer could be connected");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A query waits for a peer to ask, but only so long as an introduction takes on a machine that is not busy. */
async function isReachable(node: EmbeddedNode): Promise<boolean> {
  const options = { limit: 1, ...within(START_TIMEOUT_MS) };
  const asking = collect(node.findProviders(rawCidOf(randomBytes(32)), options));
  return asking.then(
    () => true,
    () => false,
  );
}

/** A signal for calls in tests. */
export function within(ms: number): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(ms) };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A folder that is removed when it is disposed of. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
