/** Question: how much later comes the first byte of content that only Kubo holds when it is asked through us instead of at Kubo's gateway? */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { type Kubo, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { startNode } from "../e2e/support/start-node.ts";
import { median } from "./support/wrk.ts";

const OBJECTS = 150;
/** As Kubo cuts files by itself. */
const CHUNK_BYTES = 256 * 1024;
/**
 * Asked of both servers before anything is counted, as servers that have run for some minutes have been: their caches are empty
 * of these objects, not their code of optimised paths. Small ones that are cut into as many blocks.
 */
const WARM_UP_OBJECTS = 1000;
const WARM_UP_SHRINK = 100;
/** Of the full size, not counted. */
const FIRST_OBJECTS = 10;

interface Row {
  readonly label: string;
  readonly bytes: number;
  readonly accept?: string;
}

const ROWS: readonly Row[] = [
  { label: "2 KiB", bytes: 2048 },
  { label: "664 KB", bytes: 664_000 },
  { label: "664 KB as CAR", bytes: 664_000, accept: "application/vnd.ipld.car" },
];

interface Timing {
  readonly firstByteMs: number;
  readonly lastByteMs: number;
}

export async function coldContent(): Promise<string> {
  await using kubo = await startKubo({ label: "bench" });
  await using node = await startNode({
    env: {
      HOLDFAST_BACKEND: "kubo",
      HOLDFAST_KUBO_RPC_URL: kubo.apiUrl,
      HOLDFAST_KUBO_GATEWAY_URL: kubo.gatewayUrl,
    },
  });
  // The servers stay on the first core.
  await promisify(execFile)("taskset", ["-acp", "1", String(process.pid)]);
  const lines = [
    `## Cold content in front of Kubo, ${OBJECTS} objects, one after the other, by turns, warmed up with ${WARM_UP_OBJECTS} small ones`,
    "",
    "| Object | Server | first byte, median ms | p90 ms | last byte, median ms | first byte beyond Kubo's own | target |",
    "|---|---|---|---|---|---|---|",
  ];
  for (const row of ROWS) lines.push(...(await measure(row, kubo, node.publicUrl)));
  return lines.join("\n");
}

async function measure(row: Row, kubo: Kubo, publicUrl: string): Promise<string[]> {
  using kuboAgent = agent();
  using ourAgent = agent();
  const [ofKubo, ofUs]: [Timing[], Timing[]] = [[], []];
  const ask = async (bytes: number, chunkBytes: number, usFirst: boolean): Promise<[Timing, Timing]> => {
    const query = `cid-version=1&raw-leaves=true&chunker=size-${chunkBytes}`;
    // Two objects: what one server has read is in the other's page cache, and Kubo's own caches would know it.
    const cids = [await kubo.add(randomBytes(bytes), query), await kubo.add(randomBytes(bytes), query)];
    const askKubo = async () => time(`${kubo.gatewayUrl}/ipfs/${cids[0]}`, kuboAgent.agent, row);
    const askUs = async () => time(`${publicUrl}/ipfs/${cids[1]}`, ourAgent.agent, row);
    // Kubo still tidies up after an add: whoever is asked first has more of that beside him.
    if (!usFirst) return [await askKubo(), await askUs()];
    const ours = await askUs();
    return [await askKubo(), ours];
  };
  for (let i = 0; i < WARM_UP_OBJECTS; i++) {
    const shrunk = Math.ceil(row.bytes / WARM_UP_SHRINK);
    await ask(shrunk, Math.ceil(CHUNK_BYTES / WARM_UP_SHRINK), i % 2 === 1);
  }
  for (let i = 0; i < FIRST_OBJECTS + OBJECTS; i++) {
    const [ofOne, ofOther] = await ask(row.bytes, CHUNK_BYTES, i % 2 === 1);
    if (i < FIRST_OBJECTS) continue;
    ofKubo.push(ofOne);
    ofUs.push(ofOther);
  }
  const beyond = median(ofUs.map((t) => t.firstByteMs)) - median(ofKubo.map((t) => t.firstByteMs));
  return [
    lineOf(row, "Kubo's gateway", ofKubo, "", ""),
    lineOf(row, "holdfast", ofUs, `+${beyond.toFixed(1)} ms`, row.accept === undefined ? "≤ +2 ms" : ""),
  ];
}

function agent(): { readonly agent: Agent } & Disposable {
  const made = new Agent({ keepAlive: true, maxSockets: 1 });
  return { agent: made, [Symbol.dispose]: () => made.destroy() };
}

async function time(url: string, keptAlive: Agent, { accept }: Row): Promise<Timing> {
  const startedAtMs = performance.now();
  const request = get(url, { agent: keptAlive, headers: accept === undefined ? {} : { accept } });
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  if (answer.statusCode !== 200) throw new Error(`${url} answered ${answer.statusCode}`);
  let firstByteMs: number | undefined;
  answer.on("data", () => {
    firstByteMs ??= performance.now() - startedAtMs;
  });
  await once(answer, "end");
  const lastByteMs = performance.now() - startedAtMs;
  return { firstByteMs: firstByteMs ?? lastByteMs, lastByteMs };
}

function lineOf(row: Row, label: string, timings: readonly Timing[], beyond: string, target: string): string {
  const first = timings.map((t) => t.firstByteMs).sort((a, b) => a - b);
  const last = median(timings.map((t) => t.lastByteMs));
  const p90 = first[Math.floor(first.length * 0.9)] ?? 0;
  return `| ${[row.label, label, median(first).toFixed(1), p90.toFixed(1), last.toFixed(1), beyond, target].join(" | ")} |`;
}
