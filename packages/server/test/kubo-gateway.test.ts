import { randomBytes } from "node:crypto";
import { CID } from "multiformats/cid";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { type HostileKubo, type KuboBehaviour, startHostileKubo } from "./support/hostile-kubo.ts";
import { rawCidOf } from "./support/raw-cid.ts";
import { type ScriptedKubo, startScriptedKubo } from "./support/scripted-kubo.ts";
import { within } from "./support/start-embedded.ts";
import { kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const RAW = "application/vnd.ipld.raw";

/** For calls of which an answer is expected. */
const PATIENCE_MS = 60_000;
const SLOW = { timeout: 120_000 };
/** For an answer of the gateway, and how long it is left alone when there was none. */
const GATEWAY_TIMES_MS: ReadonlySet<number> = new Set([2_000, 10_000]);

/** @param slower stretches the times of the gateway: on a busy machine a good one may take longer than they allow. */
async function inFrontOf(rpcUrl: string, gatewayUrl: string | undefined, slower = 10): Promise<KuboBackend> {
  const clock = {
    nowMs: () => systemClock.nowMs(),
    after: (ms: number, callback: () => void) =>
      systemClock.after(GATEWAY_TIMES_MS.has(ms) ? ms * slower : ms, callback),
  };
  const backend = new KuboBackend(
    { rpcUrl, gatewayUrl },
    { logger: pino({ level: "silent" }), clock, vault: new MemoryBlockStore() },
  );
  onTestFinished(() => backend[Symbol.asyncDispose]());
  backend.start();
  await until(() => expect(backend.status().state).toBe("running"));
  return backend;
}

async function scripted(...script: Parameters<typeof startScriptedKubo>): Promise<ScriptedKubo> {
  const kubo = await startScriptedKubo(...script);
  onTestFinished(() => kubo[Symbol.asyncDispose]());
  return kubo;
}

async function hostile(behaviour: KuboBehaviour): Promise<HostileKubo> {
  const gateway = await startHostileKubo();
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  gateway.behaviour = behaviour;
  return gateway;
}

describe.skipIf(!kuboAvailable)("the gateway of a real Kubo", SLOW, () => {
  test("gives what Kubo holds without the RPC, and knows at once what it does not hold", async () => {
    await using kubo = await startKubo({ label: "gateway" });
    const bytes = randomBytes(300_000);
    const { Key } = await kubo.json<{ Key: string }>("block/put?cid-codec=raw", { bytes });
    const found = randomBytes(100);
    // Only the gateway is Kubo's: this RPC has one other block.
    const rpc = await scripted({ "block/get": (response) => void response.end(found) });
    const backend = await inFrontOf(rpc.url, kubo.gatewayUrl);
    const got = await backend.retrieve(CID.parse(Key), within(PATIENCE_MS));
    expect(Buffer.compare(got, bytes)).toBe(0);
    expect(got.buffer.byteLength).toBe(bytes.byteLength);
    expect(rpc.asked).toEqual([]);
    const startedAtMs = performance.now();
    expect(Buffer.compare(await backend.retrieve(rawCidOf(found), within(PATIENCE_MS)), found)).toBe(0);
    expect(rpc.asked).toEqual(["block/get"]);
    // What it does not hold is no reason not to ask it again.
    expect(Buffer.compare(await backend.retrieve(CID.parse(Key), within(PATIENCE_MS)), bytes)).toBe(0);
    expect(rpc.asked).toEqual(["block/get"]);
    // Without an answer the gateway would have been waited for twenty seconds.
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  });

  test("R20, R23: gives a block as large as can be submitted, as the RPC does", async () => {
    await using kubo = await startKubo({ label: "large-block" });
    const bytes = randomBytes(32 * 1024 * 1024);
    const { Key } = await kubo.json<{ Key: string }>("block/put?cid-codec=raw&allow-big-block=true", {
      bytes,
    });
    const nothing = await scripted();
    for (const [rpcUrl, gatewayUrl] of [
      [nothing.url, kubo.gatewayUrl],
      [kubo.apiUrl, undefined],
    ] as const) {
      const backend = await inFrontOf(rpcUrl, gatewayUrl);
      const got = await backend.retrieve(CID.parse(Key), within(PATIENCE_MS));
      expect(Buffer.compare(got, bytes)).toBe(0);
    }
  });

  test("is used under the name localhost, too, where Kubo leads browsers to a host for each CID", async () => {
    await using kubo = await startKubo({ label: "localhost" });
    const bytes = randomBytes(1_000);
    const { Key } = await kubo.json<{ Key: string }>("block/put?cid-codec=raw", { bytes });
    const nothing = await scripted();
    const backend = await inFrontOf(nothing.url, kubo.gatewayUrl.replace("127.0.0.1", "localhost"));
    expect(Buffer.compare(await backend.retrieve(CID.parse(Key), within(PATIENCE_MS)), bytes)).toBe(0);
  });
});

test.each<KuboBehaviour>([
  "silent",
  "stalls in the body",
  "drips",
  "garbage",
  "html",
  "nothing",
  "huge body",
  "500",
  "500 with a huge body",
  "403",
  "redirects",
  "reset",
  "reset in the body",
])(
  "a gateway that is none costs a moment, and is then left alone for a while: %s",
  SLOW,
  async (behaviour) => {
    const bytes = randomBytes(1_000);
    const rpc = await scripted({ "block/get": (response) => void response.end(bytes) });
    const gateway = await hostile(behaviour);
    const backend = await inFrontOf(rpc.url, gateway.url, 1 / 20);
    for (let i = 0; i < 3; i++) {
      expect(Buffer.compare(await backend.retrieve(rawCidOf(bytes), within(PATIENCE_MS)), bytes)).toBe(0);
    }
    expect(rpc.asked).toEqual(["block/get", "block/get", "block/get"]);
    await until(() => expect(gateway.open).toBe(0));
    const before = gateway.connections;
    await until(async () => {
      await backend.retrieve(rawCidOf(bytes), within(PATIENCE_MS));
      expect(gateway.connections).toBeGreaterThan(before);
    });
  },
);

test("an abort ends the request at the gateway, and is not held against it", async () => {
  const rpc = await scripted();
  const gateway = await hostile("silent");
  const backend = await inFrontOf(rpc.url, gateway.url);
  for (let i = 0; i < 2; i++) {
    const leaving = new AbortController();
    const reading = backend.retrieve(unknownCid(), { signal: leaving.signal });
    reading.catch(() => {});
    await until(() => expect(gateway.open).toBe(1));
    const reason = new Error("the reader has gone");
    leaving.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await until(() => expect(gateway.open).toBe(0));
  }
  expect(rpc.asked).toEqual([]);
});

test("what the gateway sends is asked for raw, and only if Kubo holds it", async () => {
  const bytes = randomBytes(100);
  const seen: (string | undefined)[] = [];
  const cid = rawCidOf(bytes);
  const gateway = await scripted({
    [`/ipfs/${cid.toString()}`]: (response, { request, query }) => {
      seen.push(request.method, request.headers["cache-control"], request.headers.accept, query.toString());
      response.setHeader("Content-Type", RAW);
      response.end(bytes);
    },
  });
  const rpc = await scripted();
  const backend = await inFrontOf(rpc.url, gateway.url);
  await backend.retrieve(cid, within(PATIENCE_MS));
  expect(seen).toEqual(["GET", "only-if-cached", RAW, "format=raw"]);
});
