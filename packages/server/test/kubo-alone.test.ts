import { randomBytes } from "node:crypto";
import { CID } from "multiformats/cid";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { collect, within } from "./support/start-embedded.ts";
import { type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

async function inFrontOf(kubo: Kubo): Promise<KuboBackend> {
  const backend = new KuboBackend(
    { rpcUrl: kubo.apiUrl },
    { logger: pino({ level: "silent" }), clock: systemClock, vault: new MemoryBlockStore() },
  );
  onTestFinished(() => backend[Symbol.asyncDispose]());
  backend.start();
  await until(() => expect(backend.status().state).toBe("running"));
  return backend;
}

/** For calls of which an answer is expected. */
const PATIENCE_MS = 60_000;

describe.skipIf(!kuboAvailable)("a real Kubo", { timeout: 120_000 }, () => {
  test("that knows nobody confirms no put, and its silence is no answer; what it holds is read", async () => {
    await using kubo = await startKubo({ label: "alone" });
    const backend = await inFrontOf(kubo);
    const key = createTestName();
    const record = await makeRecord(key);
    expect(await backend.put(key.name, record, within(PATIENCE_MS))).toEqual({ confirmedPeers: 0 });
    const unknown = createTestName().name;
    const away = { code: "BACKEND_UNAVAILABLE" };
    await expect(collect(backend.get(unknown, within(PATIENCE_MS)))).rejects.toMatchObject(away);
    await expect(backend.retrieve(unknownCid(), within(PATIENCE_MS))).rejects.toMatchObject(away);
    const providers = backend.findProviders(unknownCid(), { limit: 1, ...within(PATIENCE_MS) });
    await expect(collect(providers)).rejects.toMatchObject(away);
    const bytes = randomBytes(1_000);
    const { Key } = await kubo.json<{ Key: string }>("block/put?cid-codec=raw", { bytes });
    expect(Buffer.from(await backend.retrieve(CID.parse(Key), within(PATIENCE_MS))).equals(bytes)).toBe(true);
  });

  test("whose network has a newer record keeps it: an older one is not put", async () => {
    await using other = await startKubo({ label: "other" });
    await using kubo = await startKubo({ label: "ours", peers: [other.addr] });
    await Promise.all([kubo.routesTo(other.peerId), other.routesTo(kubo.peerId)]);
    const backend = await inFrontOf(kubo);
    const key = createTestName();
    const [older, newer] = [await makeRecord(key, { sequence: 1n }), await makeRecord(key, { sequence: 2n })];
    await other.routingPut(key.name.text, newer);
    expect(await backend.put(key.name, older, within(PATIENCE_MS))).toEqual({ confirmedPeers: 0 });
    expect(Buffer.from((await other.routingGet(key.name.text)) ?? []).equals(newer)).toBe(true);
    expect(Buffer.from((await kubo.routingGet(key.name.text)) ?? []).equals(newer)).toBe(true);
  });

  test("announces only what it holds", async () => {
    await using other = await startKubo({ label: "other" });
    await using kubo = await startKubo({ label: "ours", peers: [other.addr] });
    const backend = await inFrontOf(kubo);
    const notHeld = backend.provide(unknownCid(), within(PATIENCE_MS));
    await expect(notHeld).rejects.toMatchObject({ code: "CONTENT_NOT_FOUND" });
  });

  test("finds itself, and refuses what is no peer id", async () => {
    await using kubo = await startKubo({ label: "itself" });
    const backend = await inFrontOf(kubo);
    const self = await backend.findPeer(kubo.peerId, within(PATIENCE_MS));
    expect(self?.addrs.map((addr) => `${addr}/p2p/${kubo.peerId}`)).toEqual(kubo.addrs);
    const bad = backend.findPeer("no-peer-id", within(PATIENCE_MS));
    await expect(bad).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(backend.status()).toMatchObject({ version: "0.43.0", peers: 0 });
  });
});
