import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { EmbeddedNode, type EmbeddedNodeOptions } from "../../src/adapters/embedded/embedded-node.ts";
import { systemClock } from "../../src/telemetry/clock.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

export interface TestNode extends AsyncDisposable {
  readonly node: EmbeddedNode;
  readonly metrics: Metrics;
  readonly dataDir: string;
  /** Its TCP address with `/p2p/…`. */
  readonly addr: string;
  readonly peerId: string;
}

export interface StartEmbeddedOptions extends Partial<EmbeddedNodeOptions> {
  /** Waits until it runs and, if peers are configured, until one is connected. Default: true. */
  readonly ready?: boolean;
}

/** An embedded node on a loopback LAN. Disposing it stops the node and removes its folder, unless the folder was given. */
export async function startEmbedded(options: StartEmbeddedOptions = {}): Promise<TestNode> {
  const { ready = true, ...given } = options;
  const dataDir = given.dataDir ?? (await mkdtemp(join(tmpdir(), "holdfast-embedded-")));
  const metrics = new Metrics();
  const level = process.env["TEST_LOG_LEVEL"] ?? "silent";
  const node = new EmbeddedNode(
    { network: "lan", swarmListen: ["/ip4/127.0.0.1/tcp/0"], bootstrap: [], ...given, dataDir },
    { logger: pino({ level }), metrics, clock: systemClock },
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
    if (ready) await node.whenRunning({ signal: AbortSignal.timeout(20_000) });
    if (ready && (given.bootstrap ?? []).length > 0) await connected(node);
  } catch (err) {
    await started[Symbol.asyncDispose]();
    throw err;
  }
  return started;
}

async function connected(node: EmbeddedNode): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (node.status().peers === 0) {
    if (Date.now() > deadline) throw new Error("no configured peer could be connected");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
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
