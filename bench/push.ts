/** Question: how long does a put take to reach 10,000 subscribers, what do reads feel of it, and what of 1,000 who do not read? */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createPublisher, type Publisher, putRecord } from "../e2e/support/names.ts";
import { residentBytesOf, startNode, type TestNode } from "../e2e/support/start-node.ts";
import { type FixedRateResult, readAtRate } from "./support/vegeta.ts";
import { median, useBothCores } from "./support/wrk.ts";

const SUBSCRIBERS = 10_000;
const PROCESSES = 4;
const STALLED = 1_000;
const PUTS = 10;
const ROUNDS = 5;
const SECONDS = 5;
const READS_PER_SECOND = 2000;
const DROPPED_MS_MAX = 120_000;

export async function push(): Promise<string> {
  await using node = await startNode({
    env: {
      HOLDFAST_NETWORK: "offline",
      HOLDFAST_PUSH_CONNECTIONS_PER_CLIENT_MAX: String(SUBSCRIBERS),
    },
  });
  await useBothCores(node.pid);
  const publisher = createPublisher();
  const publishing = new Publishing(node, publisher);
  await publishing.put();
  const residentBefore = await residentBytesOf(node.pid);
  await using clients = await startClients(node.publicUrl, publisher.name.text);
  const bytesEach = ((await residentBytesOf(node.pid)) - residentBefore) / SUBSCRIBERS;

  const quiet: number[] = [];
  for (let i = 0; i < PUTS; i++) quiet.push(await publishing.reach(clients));
  const reads = await readsBesidePushes(publishing, clients);
  const stalled = await withoutReading(node, publishing, clients);
  const row = (label: string, values: readonly number[]): string =>
    `| ${label} | ${median(values).toFixed(0)} | ${Math.max(...values).toFixed(0)} |`;
  return [
    `## A put to ${SUBSCRIBERS} WebSocket subscribers of one name, ${PROCESSES} client processes`,
    "",
    "| until the last one has it | median ms | max ms |",
    "|---|---|---|",
    row("nothing else", quiet),
    row(`${READS_PER_SECOND} reads/s beside it`, reads.reachedMs),
    row(`${STALLED} do not read`, stalled.reachedMs),
    "",
    `Target < 1,000 ms. Memory of the node: ${(bytesEach / 1024).toFixed(1)} KiB for each subscriber.`,
    "",
    `Warm \`routing/get\` at ${READS_PER_SECOND}/s, p99: ${reads.idleMs.toFixed(2)} ms beside ${SUBSCRIBERS} idle subscribers, ${reads.pushingMs.toFixed(2)} ms while one put a second is pushed to all: ${(reads.pushingMs / reads.idleMs).toFixed(2)} × (target ≤ 2). Raw: ${reads.raw}.`,
    "",
    `${STALLED} that stopped reading were dropped after ${(stalled.droppedAfterMs / 1000).toFixed(0)} s: ${stalled.dropped} counted.`,
    "",
    "The node, the subscribers and the generator of reads share two cores.",
  ].join("\n");
}

/** Rising sequences of one name. */
class Publishing {
  readonly #node: TestNode;
  readonly #publisher: Publisher;
  #sequence = 0;

  constructor(node: TestNode, publisher: Publisher) {
    this.#node = node;
    this.#publisher = publisher;
  }

  get readUrl(): string {
    return `${this.#node.publicUrl}/api/v0/routing/get?arg=/ipns/${this.#publisher.name.text}`;
  }

  /** @returns when it was sent, ms since the epoch. */
  async put(): Promise<number> {
    const times = { ttlMs: 3_600_000 };
    const record = await this.#publisher.record("/ipfs/bafkqaaa", BigInt(++this.#sequence), times);
    const sentAtMs = performance.timeOrigin + performance.now();
    const answer = await putRecord(this.#node.publicUrl, this.#publisher.name, record);
    if (answer.status !== 200) throw new Error(`put answered ${answer.status}`);
    return sentAtMs;
  }

  /** How long it took from the put until all had it, in ms. */
  async reach(clients: Clients): Promise<number> {
    const reached = clients.reached(this.#sequence + 1);
    const sentAtMs = await this.put();
    return (await reached) - sentAtMs;
  }
}

async function readsBesidePushes(publishing: Publishing, clients: Clients) {
  const read = (): Promise<FixedRateResult> =>
    readAtRate(publishing.readUrl, { perSecond: READS_PER_SECOND, seconds: SECONDS, connections: 32 });
  const [idle, pushing, reachedMs]: [number[], number[], number[]] = [[], [], []];
  await read();
  for (let round = 0; round < ROUNDS; round++) {
    idle.push((await read()).p99Ms);
    const reading = read();
    for (let i = 0; i < SECONDS - 1; i++) {
      reachedMs.push(await publishing.reach(clients));
      await pause(1000 - Math.min(1000, reachedMs.at(-1) ?? 0));
    }
    pushing.push((await reading).p99Ms);
  }
  const raw = `${idle.map((ms) => ms.toFixed(2)).join(", ")} and ${pushing.map((ms) => ms.toFixed(2)).join(", ")}`;
  return { idleMs: median(idle), pushingMs: median(pushing), reachedMs, raw };
}

async function withoutReading(node: TestNode, publishing: Publishing, clients: Clients) {
  await clients.stall(STALLED / PROCESSES);
  const startedMs = performance.now();
  const reachedMs: number[] = [];
  for (let i = 0; i < PUTS; i++) reachedMs.push(await publishing.reach(clients));
  let counts = await pushCountsOf(node);
  while (counts.connections > SUBSCRIBERS - STALLED) {
    if (performance.now() - startedMs > DROPPED_MS_MAX) throw new Error("slow clients are not dropped");
    await pause(500);
    counts = await pushCountsOf(node);
  }
  const dropped = counts.slowClientsDropped + counts.silentClientsDropped;
  return { reachedMs, droppedAfterMs: performance.now() - startedMs, dropped };
}

interface PushCounts {
  readonly connections: number;
  readonly slowClientsDropped: number;
  readonly silentClientsDropped: number;
}

async function pushCountsOf(node: TestNode): Promise<PushCounts> {
  const metrics = (await (await fetch(`${node.adminUrl}/metrics`)).json()) as {
    readonly holdfast: { readonly push: PushCounts };
  };
  return metrics.holdfast.push;
}

interface Clients extends AsyncDisposable {
  /** When the last of those who read got this sequence, ms since the epoch. */
  reached(sequence: number): Promise<number>;
  /** Makes so many in each process stop reading. */
  stall(count: number): Promise<void>;
}

/** Each process from an address of its own, as clients have, and behind everybody else: real ones have their own processors. */
async function startClients(url: string, name: string): Promise<Clients> {
  const script = fileURLToPath(new URL("support/push-clients.ts", import.meta.url));
  const children = Array.from({ length: PROCESSES }, (_, index) => {
    const args = [script, url, name, String(SUBSCRIBERS / PROCESSES), `127.0.0.${index + 2}`];
    const child = spawn("nice", ["-n", "19", "taskset", "-c", "0,1", process.execPath, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    return { child, lines: createInterface({ input: child.stdout }) };
  });
  const said = async (text: string): Promise<unknown> =>
    Promise.all(
      children.map(async ({ lines }) => {
        const [line] = (await once(lines, "line")) as [string];
        if (line !== text) throw new Error(`expected ${text}, got ${line}`);
      }),
    );
  await said("ready");
  return {
    async reached(sequence) {
      const times = await Promise.all(
        children.map(async ({ lines }) => {
          const [line] = (await once(lines, "line")) as [string];
          const reached = JSON.parse(line) as { readonly sequence: number; readonly atMs: number };
          if (reached.sequence !== sequence) throw new Error(`expected ${sequence}, got ${line}`);
          return reached.atMs;
        }),
      );
      return Math.max(...times);
    },
    async stall(count) {
      const stalled = said("stalled");
      for (const { child } of children) child.stdin.write(`stall ${count}\n`);
      await stalled;
    },
    [Symbol.asyncDispose]: async () => {
      const ended = children.map(async ({ child }) => {
        child.kill();
        await once(child, "exit");
      });
      await Promise.all(ended);
    },
  };
}
