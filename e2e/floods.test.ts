import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { createRecord } from "@holdfast/core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type LoadRequest, type LoadResult, sendLoad } from "./support/load.ts";
import { createPublisher, type Publisher, putRecord } from "./support/names.ts";
import { residentBytesOf, startNode, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const MIB = 1024 * 1024;
const SECONDS = 4;

let node: TestNode;
const publishers: Publisher[] = Array.from({ length: 20 }, () => createPublisher());

beforeAll(async () => {
  node = await startNode({ env: { HOLDFAST_NETWORK: "offline" } });
  for (const publisher of publishers) {
    const put = await putRecord(node.publicUrl, publisher.name, await publisher.record("/ipfs/bafkqaaa", 5n));
    if (put.status !== 200) throw new Error(`put answered ${put.status}`);
  }
  // Warm both paths, so that what is compared is growth, not the first use of code and buffers.
  await readWhile(flood(await forgedPuts(), { perSecond: 500, seconds: 1 }));
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

test("R1: 2,000 forged records a second: warm reads answer, none is stored, memory is flat", async () => {
  const forged = await forgedPuts();
  const beforeBytes = await residentBytesOf(node.pid);
  const { reads, attack } = await readWhile(flood(forged, { perSecond: 2000, seconds: SECONDS }));
  expect(reads.statuses).toEqual({ 200: reads.tookMs.length });
  expect(attack.statuses[200]).toBeUndefined();
  expect((attack.statuses[400] ?? 0) + (attack.statuses[503] ?? 0) + (attack.statuses[429] ?? 0)).toBe(
    attack.tookMs.length,
  );
  await until(async () => expect((await residentBytesOf(node.pid)) - beforeBytes).toBeLessThan(120 * MIB));
  for (const { name } of publishers) {
    const read = await fetch(`${node.publicUrl}/api/v0/routing/get?arg=/ipns/${name.text}`);
    expect(read.headers.get("x-ipns-sequence")).toBe("5");
  }
});

test("garbage multipart bodies: each is refused at once, warm reads answer, memory is flat", async () => {
  const name = publishers[0]?.name.text ?? "";
  const garbage = Array.from({ length: 200 }, (_, i): LoadRequest => {
    const boundary = `x${i}`;
    const body = Buffer.concat([
      i % 2 === 0
        ? Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="file"\r\n`)
        : Buffer.alloc(0),
      randomBytes(1 + ((i * 331) % 60_000)),
    ]);
    return {
      method: "POST",
      path: `/api/v0/routing/put?arg=/ipns/${name}`,
      headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
      body,
    };
  });
  const beforeBytes = await residentBytesOf(node.pid);
  const { reads, attack } = await readWhile(flood(garbage, { perSecond: 500, seconds: SECONDS }));
  expect(reads.statuses).toEqual({ 200: reads.tookMs.length });
  expect(attack.statuses[200]).toBeUndefined();
  expect(attack.statuses[500]).toBeUndefined();
  await until(async () => expect((await residentBytesOf(node.pid)) - beforeBytes).toBeLessThan(120 * MIB));
});

test("2,000 clients that never finish their request: warm reads answer, memory is flat", async () => {
  const beforeBytes = await residentBytesOf(node.pid);
  const { hostname, port } = new URL(node.publicUrl);
  const slow: Socket[] = [];
  for (let i = 0; i < 2000; i++) {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on("error", () => {
      // The server may close a client that is too slow; that is the point.
    });
    socket.write(
      i % 2 === 0
        ? "GET /api/v0/routing/get?arg=/ipns/k51 HTTP/1.1\r\nHost: x\r\nX-Slow: "
        : "POST /api/v0/routing/put?arg=/ipns/k51 HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\nabc",
    );
    slow.push(socket);
  }
  try {
    const { reads } = await readWhile(Promise.resolve({ statuses: {}, tookMs: [] }));
    expect(reads.statuses).toEqual({ 200: reads.tookMs.length });
    expect((await residentBytesOf(node.pid)) - beforeBytes).toBeLessThan(150 * MIB);
  } finally {
    for (const socket of slow) socket.destroy();
  }
});

/** Records whose sequence would win and whose signature is wrong, as multipart puts. */
async function forgedPuts(): Promise<LoadRequest[]> {
  const puts: LoadRequest[] = [];
  for (let i = 0; i < 400; i++) {
    const publisher = publishers[i % publishers.length];
    if (publisher === undefined) throw new Error("no publisher");
    const { key } = createPublisher();
    const owner = publisher.key;
    // Signed by somebody else: everything about it is well formed but the signature.
    const record = await createRecord(
      {
        value: "/ipfs/bafkqaaa",
        sequence: BigInt(1_000 + i),
        eolMs: Date.now() + 3_600_000,
        publicKey: owner.publicKey,
      },
      (message) => key.sign(message),
    );
    const boundary = "forged";
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="r"\r\nContent-Type: application/octet-stream\r\n\r\n`;
    puts.push({
      method: "POST",
      path: `/api/v0/routing/put?arg=/ipns/${publisher.name.text}`,
      headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
      body: Buffer.concat([Buffer.from(head), record, Buffer.from(`\r\n--${boundary}--\r\n`)]),
    });
  }
  return puts;
}

function flood(
  requests: readonly LoadRequest[],
  rate: { readonly perSecond: number; readonly seconds: number },
): Promise<LoadResult> {
  return sendLoad(node.publicUrl, (i) => requests[i % requests.length] ?? { method: "GET", path: "/" }, {
    ...rate,
    connections: 64,
  });
}

/** Reads warm names at a modest rate while the attack goes on. */
async function readWhile(attack: Promise<LoadResult>): Promise<{ reads: LoadResult; attack: LoadResult }> {
  const [reads, attacked] = await Promise.all([
    sendLoad(
      node.publicUrl,
      (i) => ({
        method: "GET",
        path: `/api/v0/routing/get?arg=/ipns/${publishers[i % publishers.length]?.name.text ?? ""}`,
      }),
      { perSecond: 200, seconds: SECONDS, connections: 8 },
    ),
    attack,
  ]);
  return { reads, attack: attacked };
}
