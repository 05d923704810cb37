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
const LISTED = authorOf(7).pubkey;

export async function floods(): Promise<string> {
  await using relays = await startHostileRelays();
  const refusing: Round[] = [];
  const open: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    refusing.push(await flood(relays, LISTED));
    open.push(await flood(relays, `${LISTED},open`));
  }
  return [
    `## Warm \`routing/get\` at ${READS_PER_SECOND}/s, alone and beside relays that flood, ${ROUNDS} rounds of ${SECONDS} s, a fresh node each`,
    "",
    "| whose announcements are taken | p50 alone, ms | p50 flooded | p99 alone | p99 flooded | p99 flooded ÷ alone | raw p99 ms | MiB alone, flooded | events read, taken |",
    "|---|---|---|---|---|---|---|---|---|",
    rowOf("one listed author's", refusing),
    rowOf("everybody's, within quotas", open),
    "",
    "Target: p99 ≤ 2 × alone where strangers are refused. Three relays at once, each as fast as it is read: 10,000 CIDs of a stranger in 500 events, again and again; events of 1 MB; a frame of 60 KB of which a byte comes each 5 ms. In the second row the stranger's quota of 1,000 CIDs is taken, and all of them are looked for: nobody has them. The node, the relays and the generator of reads share both cores.",
  ].join("\n");
}

function rowOf(label: string, rounds: readonly Round[]): string {
  const of = (read: (round: Round) => number): number => median(rounds.map(read));
  const [alone, flooded] = [of(({ idle }) => idle.p99Ms), of((round) => round.flooded.p99Ms)];
  const raw = (read: (round: Round) => FixedRateResult): string =>
    rounds.map((round) => read(round).p99Ms.toFixed(2)).join(", ");
  const cells = [
    label,
    of(({ idle }) => idle.p50Ms).toFixed(2),
    of((round) => round.flooded.p50Ms).toFixed(2),
    alone.toFixed(2),
    flooded.toFixed(2),
    (flooded / alone).toFixed(2),
    `${raw(({ idle }) => idle)}; ${raw((round) => round.flooded)}`,
    `${(of(({ idleBytes }) => idleBytes) / MIB).toFixed(0)}, ${(of(({ floodedBytes }) => floodedBytes) / MIB).toFixed(0)}`,
    `${of(({ counts }) => counts.eventsReceived)}, ${of(({ counts }) => counts.eventsTaken)}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

interface Round {
  readonly idle: FixedRateResult;
  readonly idleBytes: number;
  readonly flooded: FixedRateResult;
  readonly floodedBytes: number;
  readonly counts: Counts;
}

/** Of a node of its own: one that was flooded listens to such relays less and less. */
async function flood(relays: HostileRelays, authors: string): Promise<Round> {
  await using node = await startNode({
    env: {
      HOLDFAST_NOSTR_RELAYS: relays.urls.join(","),
      HOLDFAST_NOSTR_AUTHORS: authors,
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
