import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import { FileBlockCache } from "../src/adapters/files/block-cache.ts";
import { TrustlessSource, type TrustlessSourceOptions } from "../src/adapters/gateways/trustless-source.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { Blocks } from "../src/content/blocks.ts";
import { systemClock, type Timers } from "../src/telemetry/clock.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { blockSourceContract } from "./contracts/block-source.contract.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { type GatewayBehaviour, type GatewayServer, startGatewayServer } from "./support/gateway-server.ts";
import { startContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

blockSourceContract("trustless gateway", async () => {
  const server = await startGatewayServer();
  return {
    source: new TrustlessSource({ clock: systemClock }, { baseUrl: server.url }),
    giveToOther: (bytes) => Promise.resolve(server.give(blockOf(bytes))),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});

const block = blockOf(bytesOf(10_000, 42));
const signal = new AbortController().signal;
const LIMITS = { requestMsMax: 600, idleMsMax: 300, blockBytesMax: 1_000_000 };
/** By so much deadlines are longer where none is to be met: a machine that stands still for a while must not meet one. */
const PATIENCE = 100;

/** Time for the pauses that only the test moves on, while deadlines are real. */
class ShiftedClock implements Timers {
  shiftMs = 0;
  patience = PATIENCE;
  readonly #startMs = systemClock.nowMs();
  nowMs = (): number => this.#startMs + this.shiftMs;
  after = (delayMs: number, callback: () => void): (() => void) =>
    systemClock.after(delayMs * this.patience, callback);
}

async function setUp(options: Partial<TrustlessSourceOptions> = {}) {
  const server = await startGatewayServer();
  onTestFinished(() => server[Symbol.asyncDispose]());
  server.give(block);
  const clock = new ShiftedClock();
  const source = new TrustlessSource({ clock }, { baseUrl: server.url, ...LIMITS, ...options });
  return { server, source, clock };
}

async function setUpBlocks(server: GatewayServer, source: TrustlessSource) {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-gateways-"));
  const cache = await FileBlockCache.open(directory, { bytesMax: 64 * 1024 * 1024 });
  onTestFinished(async () => {
    await cache[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const metrics = new Metrics();
  const blocks = new Blocks({ vault: new MemoryBlockStore(), cache, sources: [source], metrics });
  return { blocks, cache, metrics: metrics.content, server };
}

test("it asks for the raw block, keeps its connections and wants nothing packed", async () => {
  const { server, source } = await setUp();
  for (let i = 0; i < 20; i++) expect(await source.retrieve(block.cid, { signal })).toEqual(block.bytes);
  expect(server.asked[0]).toBe(`/some/base/ipfs/${block.cid.toString()}?format=raw`);
  expect(server.headers[0]).toMatchObject({
    accept: "application/vnd.ipld.raw",
    "accept-encoding": "identity",
  });
  expect(server.connections).toBeLessThan(3);
});

test("requests at once are bounded, and a reader in line may leave it", async () => {
  const { server, source } = await setUp({ requestsMax: 2 });
  server.behaviour = "silent";
  const leaving = new AbortController();
  const asking = Array.from({ length: 6 }, () => source.retrieve(block.cid, { signal: leaving.signal }));
  await until(() => expect(server.asked).toHaveLength(2));
  leaving.abort(new Error("left"));
  for (const asked of asking) await expect(asked).rejects.toThrow("left");
  server.behaviour = "honest";
  expect(await source.retrieve(block.cid, { signal })).toEqual(block.bytes);
  expect(server.asked).toHaveLength(3);
});

interface Hostile {
  readonly behaviour: GatewayBehaviour;
  readonly code?: string;
}

const HOSTILE: readonly Hostile[] = [
  { behaviour: "wrong bytes" },
  { behaviour: "truncated block with a right length" },
  { behaviour: "less than its Content-Length" },
  { behaviour: "more than a block" },
  { behaviour: "says that it is huge" },
  { behaviour: "empty car" },
  { behaviour: "empty body" },
  { behaviour: "drips", code: "UPSTREAM_TIMEOUT" },
  { behaviour: "silent", code: "UPSTREAM_TIMEOUT" },
  { behaviour: "stalls in the body", code: "UPSTREAM_TIMEOUT" },
  { behaviour: "reset" },
  { behaviour: "reset in the body" },
  { behaviour: "500" },
  { behaviour: "503 for 20 s" },
  { behaviour: "504", code: "UPSTREAM_TIMEOUT" },
  { behaviour: "redirects" },
  { behaviour: "gzip" },
];

/** Only a deadline ends it. */
const isSlow = (behaviour: GatewayBehaviour): boolean =>
  behaviour === "drips" || behaviour === "silent" || behaviour === "stalls in the body";

describe("gotcha 21, R17: a gateway that is hostile or broken", () => {
  test.for(HOSTILE)("$behaviour: nothing is served or kept, and it ends", async ({ behaviour, code }) => {
    const { server, source, clock } = await setUp();
    const { blocks, cache } = await setUpBlocks(server, source);
    server.behaviour = behaviour;
    clock.patience = isSlow(behaviour) ? 1 : PATIENCE;
    const startedAtMs = performance.now();
    await expect(blocks.get(block.cid, { signal })).rejects.toMatchObject({
      code: code ?? "BACKEND_UNAVAILABLE",
    });
    // No deadline but those that it has to meet is so short.
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    expect(cache.blockCount + cache.waitingBytes).toBe(0);
    expect(await blocks.isHeld(block.cid)).toBe(false);

    // It comes to its senses: one bad answer has spoiled nothing.
    server.behaviour = "honest";
    clock.patience = PATIENCE;
    if (behaviour === "503 for 20 s") return;
    expect(await blocks.get(block.cid, { signal })).toEqual(block.bytes);
    await until(() => expect(cache.blockCount).toBe(1));
  });

  test.for(HOSTILE)("$behaviour: what a reader over HTTP gets is an error", async ({ behaviour }) => {
    const { server, source, clock } = await setUp();
    await using node = await startContent({ sources: [source] });
    server.behaviour = behaviour;
    clock.patience = isSlow(behaviour) ? 1 : PATIENCE;
    const response = await fetch(`${node.url}/ipfs/${block.cid.toString()}`);
    expect([502, 503, 504]).toContain(response.status);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("etag")).toBeNull();
    await response.text();
  });
});

test("500s, and then it recovers: after three failures it is left alone, then asked by one, then by all", async () => {
  const { server, source, clock } = await setUp();
  server.behaviour = "500";
  const ask = (): Promise<Uint8Array> => source.retrieve(block.cid, { signal });
  for (let i = 0; i < 10; i++) await expect(ask()).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(server.asked).toHaveLength(3);
  clock.shiftMs += 1_100;
  await Promise.allSettled([ask(), ask(), ask()]);
  expect(server.asked).toHaveLength(4);
  clock.shiftMs += 2_100;
  server.behaviour = "honest";
  expect(await ask()).toEqual(block.bytes);
  expect(await Promise.all([ask(), ask(), ask()])).toHaveLength(3);
});

test("a gateway that lies is left alone as one that fails", async () => {
  const { server, source } = await setUp();
  const { blocks, metrics } = await setUpBlocks(server, source);
  server.behaviour = "wrong bytes";
  for (let i = 0; i < 10; i++)
    await expect(blocks.get(block.cid, { signal })).rejects.toThrow("cannot be retrieved");
  expect(server.asked).toHaveLength(3);
  expect(metrics.blocksCorrupt).toBe(3);
});

test("a gateway that says for how long is left alone for so long", async () => {
  const { server, source, clock } = await setUp();
  server.behaviour = "503 for 20 s";
  await expect(source.retrieve(block.cid, { signal })).rejects.toThrow("failed");
  server.behaviour = "honest";
  clock.shiftMs += 19_000;
  await expect(source.retrieve(block.cid, { signal })).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(server.asked).toHaveLength(1);
  clock.shiftMs += 2_000;
  expect(await source.retrieve(block.cid, { signal })).toEqual(block.bytes);
});

test("that a gateway does not have a block says nothing against it", async () => {
  const { server, source } = await setUp();
  for (let i = 0; i < 10; i++) {
    await expect(source.retrieve(blockOf(`nowhere ${i}`).cid, { signal })).rejects.toMatchObject({
      code: "CONTENT_NOT_FOUND",
    });
  }
  server.behaviour = "504";
  for (let i = 0; i < 10; i++)
    await expect(source.retrieve(block.cid, { signal })).rejects.toThrow("in time");
  server.behaviour = "honest";
  expect(await source.retrieve(block.cid, { signal })).toEqual(block.bytes);
});

test("50 parallel readers of one cold CID cost one retrieval, over HTTP as well", async () => {
  const { server, source } = await setUp();
  await using node = await startContent({ sources: [source] });
  const url = `${node.url}/ipfs/${block.cid.toString()}`;
  const bodies = await Promise.all(
    Array.from({ length: 50 }, async () => Buffer.from(await (await fetch(url)).arrayBuffer())),
  );
  for (const body of bodies) expect(body.equals(block.bytes)).toBe(true);
  expect(server.asked).toHaveLength(1);
});

test("gotcha 21, P8: a gateway that breaks in the middle of a file breaks the transfer", async () => {
  const { server, source } = await setUp();
  await using node = await startContent();
  const bytes = bytesOf(3_000_000, 5);
  const added = await fetch(`${node.url}/api/v0/add?cid-version=1&pin=false`, {
    method: "POST",
    body: formOf(bytes),
  });
  const { Hash } = (await added.json()) as { Hash: string };
  const [event] = node.added;
  const given: CID[] = [];
  for (const cid of event?.cids ?? []) {
    const held = await node.vault.get(cid);
    if (held !== undefined) given.push(server.give({ cid, bytes: held }));
  }
  await using cold = await startContent({ sources: [source] });
  const breaking = server.asked.length;
  const response = await fetch(`${cold.url}/ipfs/${Hash}`);
  expect(response.headers.get("content-length")).toBe("3000000");
  expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  expect(server.asked.length - breaking).toBe(given.length);

  await using broken = await startContent({ sources: [new FailsAfter(source, 6)] });
  const truncated = await fetch(`${broken.url}/ipfs/${Hash}`);
  await expect(truncated.arrayBuffer()).rejects.toThrow("terminated");
});

/** Gives some blocks and then fails. */
class FailsAfter {
  readonly label = "fails after a while";
  readonly #source: TrustlessSource;
  #left: number;

  constructor(source: TrustlessSource, count: number) {
    this.#source = source;
    this.#left = count;
  }

  async retrieve(cid: CID, options: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    if (this.#left-- <= 0) throw new Error("the gateway is gone");
    return this.#source.retrieve(cid, options);
  }
}

function formOf(bytes: Uint8Array): FormData {
  const form = new FormData();
  form.append("file", new Blob([Buffer.from(bytes)]), "file.bin");
  return form;
}
