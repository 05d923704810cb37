/** Question: how fast is a warm `routing/get`, beside a bare node:http, beside Kubo, and while records are written? */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { createPublisher, putRecord } from "../e2e/support/names.ts";
import { startNode, type TestNode } from "../e2e/support/start-node.ts";
import { type FixedRateResult, readAtRate } from "./support/vegeta.ts";
import { median, useBothCores, wrk, type WrkResult } from "./support/wrk.ts";
import { startBare } from "./support/start-bare.ts";

const ROUNDS = 5;
const SECONDS = 5;
const CONNECTIONS = 32;
const WRITES_PER_SECOND = 500;
const READS_PER_SECOND = 2000;

export async function warmRoutingGet(): Promise<string> {
  await using node = await startNode({ env: { HOLDFAST_NETWORK: "offline" } });
  const publisher = createPublisher();
  await putRecord(
    node.publicUrl,
    publisher.name,
    await publisher.record("/ipfs/bafkqaaa", 0n, { ttlMs: 3_600_000 }),
  );
  const url = `${node.publicUrl}/api/v0/routing/get?arg=/ipns/${publisher.name.text}`;
  const sample = await fetch(url);
  const sampleHeaders = Object.fromEntries(
    [...sample.headers].filter(([name]) => !["connection", "keep-alive", "date"].includes(name)),
  );
  await using bare = await startBare(sampleHeaders, await sample.text());
  await using kubo = kuboAvailable ? await startKubo({ label: "bench" }) : undefined;
  let kuboUrl: string | undefined;
  if (kubo !== undefined) {
    const name = await kubo.generateKey("bench");
    await kubo.publish("bench", "/ipfs/bafkqaaa");
    kuboUrl = `${kubo.apiUrl}/api/v0/routing/get?arg=/ipns/${name}`;
  }

  const postScript = fileURLToPath(new URL("support/post.lua", import.meta.url));
  const variants: Record<string, () => Promise<WrkResult>> = {
    "bare node:http": () => run(bare.url, bare.pid),
    holdfast: () => run(url, node.pid),
    ...(kuboUrl === undefined ? {} : { "Kubo RPC": () => run(kuboUrl, undefined, postScript) }),
  };
  const results: Record<string, WrkResult[]> = {};
  for (const one of Object.values(variants)) await one();
  for (let round = 0; round < ROUNDS; round++) {
    const order = Object.entries(variants);
    if (round % 2 === 1) order.reverse();
    for (const [label, one] of order) (results[label] ??= []).push(await one());
  }
  return `${table(results)}\n\n${await besideWrites(node, url)}`;
}

function run(url: string, pid?: number, script?: string): Promise<WrkResult> {
  return wrk({
    url,
    connections: CONNECTIONS,
    seconds: SECONDS,
    ...(pid === undefined ? {} : { pid }),
    ...(script === undefined ? {} : { script }),
  });
}

/** Latency at a rate well below what the node can do, alone and beside a writer on the other core. */
async function besideWrites(node: TestNode, url: string): Promise<string> {
  const read = () =>
    readAtRate(url, { perSecond: READS_PER_SECOND, seconds: SECONDS, connections: CONNECTIONS });
  // The node has a thread for signatures and one for the disk: pinned to one core with them, the reads would measure its scheduler.
  await useBothCores(node.pid);
  const idle: FixedRateResult[] = [];
  const writing: FixedRateResult[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    idle.push(await read());
    writing.push(await whileWriting(node, read));
  }
  const row = (label: string, rounds: readonly FixedRateResult[]): string =>
    `| ${label} | ${median(rounds.map((r) => r.p50Ms)).toFixed(2)} | ${median(rounds.map((r) => r.p99Ms)).toFixed(2)} | ${rounds.map((r) => r.p99Ms.toFixed(2)).join(", ")} |`;
  const ratio = median(writing.map((r) => r.p99Ms)) / median(idle.map((r) => r.p99Ms));
  return [
    `## Warm \`routing/get\` at ${READS_PER_SECOND}/s, alone and beside ${WRITES_PER_SECOND} durable puts/s, ${ROUNDS} rounds of ${SECONDS} s`,
    "",
    "| | p50 ms | p99 ms | raw p99 ms |",
    "|---|---|---|---|",
    row("alone", idle),
    row("beside writes", writing),
    "",
    `p99 beside writes: ${ratio.toFixed(2)} × alone (target ≤ 2). The node and both generators share both cores.`,
  ].join("\n");
}

async function whileWriting<T>(node: TestNode, work: () => Promise<T>): Promise<T> {
  const script = fileURLToPath(new URL("support/write-load.ts", import.meta.url));
  const args = ["-c", "0,1", process.execPath, "--conditions=@holdfast/source", script];
  const writer = spawn("taskset", [...args, node.publicUrl, String(WRITES_PER_SECOND), String(SECONDS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: writer.stdout });
  await once(lines, "line");
  const written = once(lines, "line") as Promise<[string]>;
  const result = await work();
  const [statuses] = await written;
  if (statuses !== JSON.stringify({ 200: WRITES_PER_SECOND * SECONDS }))
    throw new Error(`writes failed: ${statuses}`);
  return result;
}

function table(results: Readonly<Record<string, readonly WrkResult[]>>): string {
  const rate = (label: string): number => median((results[label] ?? []).map((r) => r.perSecond));
  const p99 = (label: string): number => median((results[label] ?? []).map((r) => r.p99Ms));
  const bareRate = rate("bare node:http");
  const lines = [
    `## Warm \`routing/get\`, ${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s, interleaved`,
    "",
    "| Variant | requests/s (median) | × bare | CPU µs/request | p50 ms | p99 ms | raw requests/s |",
    "|---|---|---|---|---|---|---|",
  ];
  for (const [label, rounds] of Object.entries(results)) {
    const errors = rounds.reduce((sum, r) => sum + r.errors, 0);
    const p50 = median(rounds.map((r) => r.p50Ms)).toFixed(2);
    const cpu = median(rounds.map((r) => r.cpuUs)).toFixed(1);
    const raw = rounds.map((r) => Math.round(r.perSecond)).join(", ");
    lines.push(
      `| ${label}${errors > 0 ? ` (${errors} errors)` : ""} | ${Math.round(rate(label))} | ${(rate(label) / bareRate).toFixed(2)} | ${cpu} | ${p50} | ${p99(label).toFixed(2)} | ${raw} |`,
    );
  }
  lines.push("", `p99 beside bare: ${(p99("holdfast") / p99("bare node:http")).toFixed(2)} × (target ≤ 2).`);
  return lines.join("\n");
}
