/** Question: what do warm reads feel of relays that flood: announcements of a stranger, events of 1 MB, a frame byte by byte? */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { authorOf } from "../packages/server/test/support/nostr-authors.ts";
import { createPublisher, putRecord } from "../e2e/support/names.ts";
import { residentBytesOf, startNode, type TestNode } from "../e2e/support/start-node.ts";
import { type FixedRateResult, readAtRate } from "./support/vegeta.ts";
import { median, useBothCores } from "./support/wrk.ts";

const ROUNDS = 5;
const SECONDS = 5;
const READS_PER_SECOND = 2000;
const MIB = 1024 * 1024;

export async function floods(): Promise<string> {
  await using relays = await startHostileRelays();
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await flood(relays));
  const of = (read: (round: Round) => number): readonly number[] => rounds.map(read);
  const row = (label: string, read: (round: Round) => FixedRateResult): string => {
    const p99s = of((round) => read(round).p99Ms);
    const p50 = median(of((round) => read(round).p50Ms));
    return `| ${label} | ${p50.toFixed(2)} | ${median(p99s).toFixed(2)} | ${p99s.map((ms) => ms.toFixed(2)).join(", ")} |`;
  };
  const ratio = median(of(({ flooded }) => flooded.p99Ms)) / median(of(({ idle }) => idle.p99Ms));
  const events = median(of(({ counts }) => counts.eventsReceived));
  const taken = median(of(({ counts }) => counts.eventsTaken));
  return [
    `## Warm \`routing/get\` at ${READS_PER_SECOND}/s, alone and beside relays that flood, ${ROUNDS} rounds of ${SECONDS} s, a fresh node each`,
    "",
    "| | p50 ms | p99 ms | raw p99 ms |",
    "|---|---|---|---|",
    row("alone", ({ idle }) => idle),
    row("flooded", ({ flooded }) => flooded),
    "",
    `p99 flooded: ${ratio.toFixed(2)} × alone (target ≤ 2). Memory of the node after the reads alone and after the flood: ${mebibytes(of(({ idleBytes }) => idleBytes))} and ${mebibytes(of(({ floodedBytes }) => floodedBytes))} MiB. It read ${events} events and took ${taken}, a stranger's quota of the day.`,
    "",
    "Three relays at once, each as fast as it is read: 10,000 CIDs of a stranger in 500 events, again and again; events of 1 MB; a frame of 60 KB of which a byte comes each 5 ms. The node, the relays and the generator of reads share both cores.",
  ].join("\n");
}

const mebibytes = (bytes: readonly number[]): string => (median(bytes) / MIB).toFixed(0);

interface Round {
  readonly idle: FixedRateResult;
  readonly idleBytes: number;
  readonly flooded: FixedRateResult;
  readonly floodedBytes: number;
  readonly counts: Counts;
}

/** Of a node of its own: one that was flooded listens to such relays less and less. */
async function flood(relays: HostileRelays): Promise<Round> {
  await using node = await startNode({
    env: {
      HOLDFAST_NOSTR_RELAYS: relays.urls.join(","),
      HOLDFAST_NOSTR_AUTHORS: `${authorOf(7).pubkey},open`,
    },
  });
  await useBothCores(node.pid);
  const publisher = createPublisher();
  const record = await publisher.record("/ipfs/bafkqaaa", 0n, { ttlMs: 3_600_000 });
  await putRecord(node.publicUrl, publisher.name, record);
  const url = `${node.publicUrl}/api/v0/routing/get?arg=/ipns/${publisher.name.text}`;
  const read = (): Promise<FixedRateResult> =>
    readAtRate(url, { perSecond: READS_PER_SECOND, seconds: SECONDS, connections: 32 });
  await read();
  const idle = await read();
  const idleBytes = await residentBytesOf(node.pid);
  relays.set("on");
  const flooded = await read();
  relays.set("off");
  const floodedBytes = await residentBytesOf(node.pid);
  return { idle, idleBytes, flooded, floodedBytes, counts: await countsOf(node) };
}

interface HostileRelays extends AsyncDisposable {
  readonly urls: readonly string[];
  set(state: "on" | "off"): void;
}

async function startHostileRelays(): Promise<HostileRelays> {
  const script = fileURLToPath(new URL("support/hostile-relay.ts", import.meta.url));
  const args = ["taskset", "-c", "0,1", process.execPath, "--conditions=@holdfast/source", script];
  const child = spawn("nice", ["-n", "19", ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const urls: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (urls.push(line) === 3) break;
  }
  return {
    urls,
    set: (state) => void child.stdin.write(`${state}\n`),
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}

interface Counts {
  readonly eventsReceived: number;
  readonly eventsTaken: number;
  readonly eventsRefused: number;
}

async function countsOf(node: TestNode): Promise<Counts> {
  const metrics = (await (await fetch(`${node.adminUrl}/metrics`)).json()) as {
    readonly holdfast: { readonly announcements: Counts };
  };
  return metrics.holdfast.announcements;
}
