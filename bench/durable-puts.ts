/** Question: how many records a second are verified, stored with fsync and acknowledged, with 64 writers? */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPublisher } from "../e2e/support/names.ts";
import { startNode, type TestNode } from "../e2e/support/start-node.ts";
import { median, useBothCores, wrk } from "./support/wrk.ts";

const ROUNDS = 3;
const SECONDS = 5;
const WRITERS = 64;
const NAMES = 5_000;
/** More than can be sent: a record sent twice would be answered without a signature check or a commit. */
const RECORDS = 60_000;

export async function durablePuts(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const file = join(folder, "requests");
  await writeFile(file, await preparedRequests());
  const script = fileURLToPath(new URL("support/replay.lua", import.meta.url));
  const rounds: { stored: number; refused: number; p50Ms: number; p99Ms: number }[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await using node = await startNode({ env: { HOLDFAST_NETWORK: "offline" } });
      // Signatures alone take most of a core at this rate: here the node and the generator share both.
      await useBothCores(node.pid);
      const result = await wrk({
        url: node.publicUrl,
        cpus: "0,1",
        connections: WRITERS,
        seconds: SECONDS,
        script,
        scriptArgs: [file],
      });
      rounds.push({
        stored: (await storedBy(node)) / SECONDS,
        refused: result.errors,
        p50Ms: result.p50Ms,
        p99Ms: result.p99Ms,
      });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return [
    `## Durable puts, ${WRITERS} writers, ${ROUNDS} rounds of ${SECONDS} s, a fresh node each`,
    "",
    "| stored/s (median) | p50 ms | p99 ms | refused | raw stored/s |",
    "|---|---|---|---|---|",
    `| ${Math.round(median(rounds.map((r) => r.stored)))} | ${median(rounds.map((r) => r.p50Ms)).toFixed(1)} | ${median(rounds.map((r) => r.p99Ms)).toFixed(1)} | ${rounds.reduce((sum, r) => sum + r.refused, 0)} | ${rounds.map((r) => Math.round(r.stored)).join(", ")} |`,
    "",
    "Each put is a distinct signed record, sent as a raw body, counted by the node's own `records.stored` (target ≥ 5,000/s). The node and wrk share both cores.",
  ].join("\n");
}

async function preparedRequests(): Promise<Buffer> {
  const publishers = Array.from({ length: NAMES }, () => createPublisher());
  const parts: Buffer[] = [];
  for (let i = 0; i < RECORDS; i++) {
    const publisher = publishers[i % NAMES];
    if (publisher === undefined) throw new Error("no publisher");
    const record = await publisher.record("/ipfs/bafkqaaa", BigInt(Math.floor(i / NAMES)));
    const head = `POST /api/v0/routing/put?arg=/ipns/${publisher.name.text} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: ${record.length}\r\n\r\n`;
    const request = Buffer.concat([Buffer.from(head), record]);
    parts.push(Buffer.from(`${request.length}\n`), request);
  }
  return Buffer.concat(parts);
}

async function storedBy(node: TestNode): Promise<number> {
  const metrics = (await (await fetch(`${node.adminUrl}/metrics`)).json()) as {
    holdfast: { records: { stored: number } };
  };
  return metrics.holdfast.records.stored;
}
