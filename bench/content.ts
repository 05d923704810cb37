/** Question: how fast is content that is held, beside a bare node:http, beside Kubo, and beside an nginx cache before Kubo? */
import { randomBytes } from "node:crypto";
import { type Kubo, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { createPublisher, putRecord } from "../e2e/support/names.ts";
import { startNode } from "../e2e/support/start-node.ts";
import { startBare } from "./support/start-bare.ts";
import { startNginx } from "./support/start-nginx.ts";
import { median, wrk, type WrkResult } from "./support/wrk.ts";

const ROUNDS = 3;
const SECONDS = 3;

interface Row {
  readonly label: string;
  readonly path: string;
  readonly bytes: number;
  readonly connections: number;
  readonly accept?: string;
  readonly target: string;
}

interface Server {
  readonly url: string;
  readonly pid?: number;
}

export async function content(): Promise<string> {
  await using kubo = await startKubo({ label: "bench" });
  await using node = await startNode({ env: { HOLDFAST_NETWORK: "offline" } });
  await using nginx = await startNginx(kubo.gatewayUrl);
  const small = await addToBoth(kubo, node.publicUrl, randomBytes(2048));
  const medium = await addToBoth(kubo, node.publicUrl, randomBytes(664_000));
  const large = await addToBoth(kubo, node.publicUrl, randomBytes(20_000_000));
  const publisher = createPublisher();
  const record = await publisher.record(`/ipfs/${small}`, 0n, { ttlMs: 3_600_000 });
  await putRecord(node.publicUrl, publisher.name, record);
  await kubo.routingPut(publisher.name.text, record);

  const rows: Row[] = [
    {
      label: "`/ipns/{name}`, 2 KiB",
      path: `/ipns/${publisher.name.text}`,
      bytes: 2048,
      connections: 32,
      target: "≥ 0.8 × bare",
    },
    {
      label: "`/ipfs/`, 2 KiB",
      path: `/ipfs/${small}`,
      bytes: 2048,
      connections: 32,
      target: "≥ 0.8 × bare; ≥ 0.9 × nginx; ≥ 4 × Kubo",
    },
    {
      label: "`/ipfs/`, 664 KB",
      path: `/ipfs/${medium}`,
      bytes: 664_000,
      connections: 8,
      target: "≥ 0.9 × nginx",
    },
    {
      label: "`/ipfs/`, 20 MB",
      path: `/ipfs/${large}`,
      bytes: 20_000_000,
      connections: 4,
      target: "≥ 2 × Kubo; CPU ≤ nginx",
    },
    {
      label: "664 KB as CAR",
      path: `/ipfs/${medium}`,
      bytes: 664_000,
      connections: 8,
      accept: "application/vnd.ipld.car",
      target: "≥ 2 × Kubo",
    },
  ];
  const lines = [
    `## Content that is held, ${ROUNDS} rounds of ${SECONDS} s, interleaved`,
    "",
    "| Request | Server | requests/s | MB/s | CPU µs/request | × bare | × Kubo | × nginx | target |",
    "|---|---|---|---|---|---|---|---|---|",
  ];
  for (const row of rows) {
    lines.push(...(await measure(row, { node: { url: node.publicUrl, pid: node.pid }, kubo, nginx })));
  }
  if (nginx === undefined) lines.push("", "No nginx on this machine: its columns are empty.");
  return lines.join("\n");
}

/** The same blocks on both sides: Kubo makes the DAG, we take it as a CAR. */
async function addToBoth(kubo: Kubo, publicUrl: string, bytes: Uint8Array): Promise<string> {
  const cid = await kubo.add(bytes);
  const body = new FormData();
  body.set("file", new Blob([Uint8Array.from(await kubo.bytes(`dag/export?arg=${cid}`))]), "car");
  const answer = await fetch(`${publicUrl}/api/v0/dag/import`, { method: "POST", body });
  if (!answer.ok) throw new Error(`dag/import answered ${answer.status}: ${await answer.text()}`);
  return cid;
}

async function measure(
  row: Row,
  servers: { readonly node: Server; readonly kubo: Kubo; readonly nginx: Server | undefined },
): Promise<string[]> {
  const sample = await fetch(servers.node.url + row.path, {
    headers: row.accept === undefined ? {} : { accept: row.accept },
  });
  const body = Buffer.from(await sample.arrayBuffer());
  const headers = Object.fromEntries(
    [...sample.headers].filter(
      ([name]) => !["connection", "keep-alive", "date", "transfer-encoding"].includes(name),
    ),
  );
  await using bare = await startBare({ ...headers, "content-length": String(body.length) }, body);
  const variants: Record<string, Server> = {
    "bare node:http": bare,
    holdfast: servers.node,
    Kubo: { url: servers.kubo.gatewayUrl },
    ...(servers.nginx === undefined ? {} : { "nginx cache": servers.nginx }),
  };
  const results: Record<string, WrkResult[]> = {};
  for (const server of Object.values(variants)) await runOnce(row, server, 1);
  for (let round = 0; round < ROUNDS; round++) {
    const order = Object.entries(variants);
    if (round % 2 === 1) order.reverse();
    for (const [label, server] of order) (results[label] ??= []).push(await runOnce(row, server, SECONDS));
  }
  return Object.keys(variants).map((label) => lineOf(row, label, results));
}

function runOnce(row: Row, server: Server, seconds: number): Promise<WrkResult> {
  return wrk({
    url: server.url + row.path,
    connections: row.connections,
    seconds,
    ...(server.pid === undefined ? {} : { pid: server.pid }),
    ...(row.accept === undefined ? {} : { accept: row.accept }),
  });
}

function lineOf(row: Row, label: string, results: Readonly<Record<string, readonly WrkResult[]>>): string {
  const rate = (of: string): number => median((results[of] ?? []).map((r) => r.perSecond));
  const ratio = (of: string): string =>
    of in results && of !== label ? (rate(label) / rate(of)).toFixed(2) : "";
  const mine = results[label] ?? [];
  const cpu = median(mine.map((r) => r.cpuUs));
  const errors = mine.reduce((sum, r) => sum + r.errors, 0);
  return [
    "",
    row.label,
    errors > 0 ? `${label} (${errors} errors)` : label,
    Math.round(rate(label)),
    Math.round((rate(label) * row.bytes) / 1e6),
    cpu > 0 ? cpu.toFixed(0) : "",
    ratio("bare node:http"),
    ratio("Kubo"),
    ratio("nginx cache"),
    label === "holdfast" ? row.target : "",
    "",
  ]
    .join(" | ")
    .trim();
}
