/** Question: how much later comes the first byte of content that only Kubo holds when it is asked through us instead of at Kubo's gateway? */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { type Kubo, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { startNode } from "../e2e/support/start-node.ts";
import { median } from "./support/wrk.ts";

const OBJECTS = 150;
/** Of both servers, before it is counted: connections are open and code is compiled. */
const WARM_UP = 30;

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
  const lines = [
    `## Cold content in front of Kubo, ${OBJECTS} objects, one after the other, by turns`,
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
  for (let i = 0; i < WARM_UP + OBJECTS; i++) {
    // Two objects: what one server has read is in the other's page cache, and Kubo's own caches would know it.
    const [first, second] = [await kubo.add(randomBytes(row.bytes)), await kubo.add(randomBytes(row.bytes))];
    const timings = [
      await time(`${kubo.gatewayUrl}/ipfs/${first}`, kuboAgent.agent, row),
      await time(`${publicUrl}/ipfs/${second}`, ourAgent.agent, row),
    ] as const;
    if (i < WARM_UP) continue;
    ofKubo.push(timings[0]);
    ofUs.push(timings[1]);
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
