/** Question: how fast is `/pin-status` with 1,650,000 pins in the table, and how fast does a node start that has 100,000 to work on? */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startNode, temporaryFolder, type TestNode } from "../e2e/support/start-node.ts";
import { pinsByState } from "../e2e/support/wishes.ts";
import { fillPins, rootOf } from "./support/fill-pins.ts";
import { type FixedRateResult, readAtRate } from "./support/vegeta.ts";
import { median, useBothCores } from "./support/wrk.ts";

const PINS = 1_650_000;
const QUEUED = 100_000;
const READS_PER_SECOND = 500;
const SECONDS = 5;
const ROUNDS = 5;
const STARTS = 3;
/** Those that are asked for, spread over the whole table. */
const ASKED = 20_000;
/** Where no Kubo listens: what is queued stays so. */
const NO_KUBO = "http://127.0.0.1:9";

export async function pinTable(): Promise<string> {
  return [await statusOfMany(), await startsWithQueue()].join("\n\n");
}

async function statusOfMany(): Promise<string> {
  await using folder = await temporaryFolder();
  fillPins(join(folder.path, "data"), PINS, "pinned");
  await using kubo = await startListingKubo(folder.path);
  await using node = await start(folder.path, kubo.url);
  await useBothCores(node.pid);
  const read = (): Promise<FixedRateResult> =>
    readAtRate(statusUrls(node), { perSecond: READS_PER_SECOND, seconds: SECONDS, connections: 32 });
  const startedMs = performance.now();
  const comparing: FixedRateResult[] = [];
  for (;;) {
    const result = await read();
    if ((await auditsOf(node)) > 0) break;
    comparing.push(result);
  }
  const comparedMs = performance.now() - startedMs;
  const idle: FixedRateResult[] = [];
  for (let round = 0; round < ROUNDS; round++) idle.push(await read());
  const { pinned = 0 } = await pinsByState(node);
  if (pinned !== PINS) throw new Error(`${pinned} pins are left`);
  const row = (label: string, rounds: readonly FixedRateResult[]): string =>
    `| ${label} | ${median(rounds.map((r) => r.p50Ms)).toFixed(2)} | ${median(rounds.map((r) => r.p99Ms)).toFixed(2)} | ${Math.min(...rounds.map((r) => r.successRatio))} | ${rounds.map((r) => r.p99Ms.toFixed(2)).join(", ")} |`;
  return [
    `## \`/pin-status\` at ${READS_PER_SECOND}/s with ${PINS.toLocaleString("en")} pins in the table, rounds of ${SECONDS} s`,
    "",
    "| | p50 ms | p99 ms | answered 200 | raw p99 ms |",
    "|---|---|---|---|---|",
    row("nothing else", idle),
    row("while all pins are compared with Kubo's", comparing),
    "",
    `Target: p99 < 5 ms. ${ASKED.toLocaleString("en")} CIDs in turn, in no order of the table. Ready ${node.readyAfterMs.toFixed(0)} ms after the start; comparing took ${(comparedMs / 1000).toFixed(0)} s at most, once an hour. Kubo is a stand-in that lists as fast as it is read. The node, Kubo and vegeta share both cores.`,
  ].join("\n");
}

async function startsWithQueue(): Promise<string> {
  await using folder = await temporaryFolder();
  await using empty = await temporaryFolder();
  fillPins(join(folder.path, "data"), QUEUED, "queued");
  const [filledMs, emptyMs]: [number[], number[]] = [[], []];
  for (let i = 0; i < STARTS; i++) {
    await using filled = await start(folder.path, NO_KUBO);
    filledMs.push(filled.readyAfterMs);
    const { queued = 0 } = await pinsByState(filled);
    if (queued !== QUEUED) throw new Error(`${queued} entries are left`);
    await filled.stop("SIGKILL");
    await using other = await start(empty.path, NO_KUBO);
    emptyMs.push(other.readyAfterMs);
  }
  const text = (values: readonly number[]): string =>
    `${median(values).toFixed(0)} ms (${values.map((ms) => ms.toFixed(0)).join(", ")})`;
  return [
    `## From the start of the process to ready, ${QUEUED.toLocaleString("en")} entries in the queue`,
    "",
    `${text(filledMs)}; with an empty one ${text(emptyMs)}. After each kill -9 all ${QUEUED.toLocaleString("en")} are there.`,
  ].join("\n");
}

function start(dataDir: string, kuboUrl: string): Promise<TestNode> {
  const env = { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: kuboUrl };
  return startNode({ dataDir, env });
}

function statusUrls(node: TestNode): readonly string[] {
  // A step that shares no factor with the number of pins.
  return Array.from({ length: ASKED }, (_, i) => {
    return `${node.publicUrl}/pin-status?cid=${rootOf((i * 7_919) % PINS).toString()}`;
  });
}

async function auditsOf(node: TestNode): Promise<number> {
  const metrics = (await (await fetch(`${node.adminUrl}/metrics`)).json()) as {
    readonly holdfast: { readonly pins: { readonly audits: number } };
  };
  return metrics.holdfast.pins.audits;
}

async function startListingKubo(folder: string): Promise<{ readonly url: string } & AsyncDisposable> {
  const script = fileURLToPath(new URL("support/listing-kubo.ts", import.meta.url));
  const args = ["--conditions=@holdfast/source", script, folder, String(PINS)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [url] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}
