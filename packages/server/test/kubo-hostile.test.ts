import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { HoldfastError } from "@holdfast/core";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { type Clock, systemClock, type Timers } from "../src/telemetry/clock.ts";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { type HostileKubo, type KuboBehaviour, startHostileKubo } from "./support/hostile-kubo.ts";
import { rawCidOf } from "./support/raw-cid.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startScriptedKubo } from "./support/scripted-kubo.ts";
import { collect, within } from "./support/start-embedded.ts";
import { until } from "./support/until.ts";

/** Longer than any of these tests takes, and shorter than what a test has. */
const PATIENCE_MS = 60_000;
/** What an answer about Kubo's status may take. */
const STATUS_MS_MAX = 15_000;
const FASTER_WAIT_MS_MAX = 2_000;

/**
 * Real time, but every wait is so many times shorter, so that a deadline of a minute can be tested. Not the one for answers about
 * the status, which come: on a busy machine they may come late.
 */
function fasterClock(factor: number, onWait = (_ms: number): void => {}): Clock & Timers {
  return {
    nowMs: () => systemClock.nowMs(),
    after: (ms, callback) => {
      onWait(ms);
      const isScaled = factor > 1 && ms !== STATUS_MS_MAX;
      return systemClock.after(isScaled ? Math.min(ms / factor, FASTER_WAIT_MS_MAX) : ms, callback);
    },
  };
}

async function setUp({
  speed = 1,
  onWait,
}: { readonly speed?: number; readonly onWait?: (ms: number) => void } = {}) {
  const kubo = await startHostileKubo();
  onTestFinished(() => kubo[Symbol.asyncDispose]());
  const backend = new KuboBackend(
    { rpcUrl: kubo.url },
    {
      logger: pino({ level: "silent" }),
      clock: fasterClock(speed, onWait),
      vault: new MemoryBlockStore(),
      random: () => 0.5,
    },
  );
  onTestFinished(() => backend[Symbol.asyncDispose]());
  backend.start();
  await until(() => expect(backend.status().state).toBe("running"));
  return { kubo, backend };
}

const MALICE: readonly KuboBehaviour[] = [
  "silent",
  "stalls in the body",
  "drips",
  "huge body",
  "huge line",
  "500",
  "500 with a huge body",
  "403",
  "404",
  "redirects",
  "reset",
  "reset in the body",
];
/** Bodies that end well: for records and peers they say nothing, for a block they are bytes like others. */
const NONSENSE: readonly KuboBehaviour[] = ["garbage", "html", "wrong types", "nothing"];
/** Several deadlines pass. */
const SLOW = { timeout: 90_000 };
const FAILS = { code: expect.stringMatching(/^(BACKEND_UNAVAILABLE|UPSTREAM_TIMEOUT)$/) as string };

/** Everything that was asked for is over there as well: nothing is left open. */
async function nothingIsOpen(kubo: HostileKubo): Promise<void> {
  await until(() => expect(kubo.open).toBe(0));
}

describe.each([...MALICE, ...NONSENSE])("what claims to be Kubo is hostile: %s", SLOW, (behaviour) => {
  test("a lookup of a name fails in time, and yields nothing", async () => {
    const { kubo, backend } = await setUp({ speed: 100 });
    kubo.behaviour = behaviour;
    await expect(collect(backend.get(createTestName().name, within(PATIENCE_MS)))).rejects.toMatchObject(
      FAILS,
    );
    await nothingIsOpen(kubo);
  });

  test("a put fails in time", async () => {
    const { kubo, backend } = await setUp({ speed: 100 });
    kubo.behaviour = behaviour;
    const key = createTestName();
    const put = backend.put(key.name, await makeRecord(key), within(PATIENCE_MS));
    await expect(put).rejects.toMatchObject(FAILS);
    await nothingIsOpen(kubo);
  });

  test("a pin, its end, a look at it and a list fail in time", async () => {
    const { kubo, backend } = await setUp({ speed: 100 });
    kubo.behaviour = behaviour;
    const options = { recursive: true, ...within(PATIENCE_MS) };
    const { pinner } = backend;
    await expect(pinner.pin(unknownCid(), options)).rejects.toMatchObject(FAILS);
    await expect(pinner.unpin(unknownCid(), options)).rejects.toMatchObject(FAILS);
    await expect(pinner.isPinned(unknownCid(), options)).rejects.toMatchObject(FAILS);
    await expect(collect(pinner.listPinned(options))).rejects.toMatchObject(FAILS);
    await nothingIsOpen(kubo);
  });

  test("a search for providers and for a peer fails or finds nobody, in time", async () => {
    const { kubo, backend } = await setUp({ speed: 100 });
    kubo.behaviour = behaviour;
    const options = { limit: 5, ...within(PATIENCE_MS) };
    const outcome = await collect(backend.findProviders(unknownCid(), options)).then(
      (peers) => `${peers.length} found`,
      (err: unknown) => (err as HoldfastError).code,
    );
    expect(outcome).toMatch(/^(0 found|BACKEND_UNAVAILABLE|UPSTREAM_TIMEOUT)$/);
    await expect(
      backend.findPeer("12D3KooWSzRuSFHgLsKr6jJboAPdP7xMga2YBgBspYuErxswcgvt", within(PATIENCE_MS)),
    ).rejects.toMatchObject(FAILS);
    await nothingIsOpen(kubo);
  });
});

test.each(MALICE)("a block from a hostile Kubo fails in time: %s", SLOW, async (behaviour) => {
  const { kubo, backend } = await setUp({ speed: 100 });
  kubo.behaviour = behaviour;
  await expect(backend.retrieve(unknownCid(), within(PATIENCE_MS))).rejects.toMatchObject(FAILS);
  await nothingIsOpen(kubo);
});

test("a block that is on its way is waited for, however long it takes and although nobody else has it", async () => {
  const [bytes, other] = [randomBytes(1_000), unknownCid()];
  const SILENT_MS_MAX = 1_500;
  let onSilent = (): void => {};
  let isHeard = false;
  const clock: Clock & Timers = {
    nowMs: () => systemClock.nowMs(),
    after(ms, callback) {
      if (ms !== SILENT_MS_MAX) return systemClock.after(ms, callback);
      onSilent = callback;
      return () => (isHeard = true);
    },
  };
  const block = Promise.withResolvers<ServerResponse>();
  const search = Promise.withResolvers<ServerResponse>();
  await using kubo = await startScriptedKubo({
    "block/get": (response) => block.resolve(response),
    "routing/findprovs": (response, { query }) =>
      query.get("arg") === other.toString() ? void response.end() : search.resolve(response),
  });
  await using backend = new KuboBackend(
    { rpcUrl: kubo.url },
    { logger: pino({ level: "silent" }), clock, vault: new MemoryBlockStore() },
  );
  backend.start();
  await until(() => expect(backend.status().state).toBe("running"));

  const reading = backend.retrieve(rawCidOf(bytes), within(PATIENCE_MS));
  const sending = await block.promise;
  onSilent();
  const nobody = await search.promise;
  sending.write(bytes.subarray(0, 500));
  await until(() => expect(isHeard).toBe(true));
  nobody.end();
  // What was asked later has been answered: a search that ends the wait would have done so by now.
  await collect(backend.findProviders(other, { limit: 1, ...within(PATIENCE_MS) }));
  sending.end(bytes.subarray(500));
  expect(Buffer.compare(await reading, bytes)).toBe(0);
});

test("what Kubo says of its inside is not in the message that clients may see", async () => {
  const { kubo, backend } = await setUp();
  kubo.behaviour = "500";
  const err: unknown = await backend.retrieve(unknownCid(), within(PATIENCE_MS)).catch((e: unknown) => e);
  expect(err).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect((err as Error).message).not.toContain("/home/kubo");
});

test("an abort ends the request at Kubo, too", async () => {
  const { kubo, backend } = await setUp();
  kubo.behaviour = "silent";
  const leaving = new AbortController();
  const reading = backend.retrieve(unknownCid(), { signal: leaving.signal });
  reading.catch(() => {});
  await until(() => expect(kubo.asked).not.toEqual([]));
  const reason = new Error("the reader has gone");
  leaving.abort(reason);
  await expect(reading).rejects.toBe(reason);
  await nothingIsOpen(kubo);
});

test("only so many blocks are asked for at once, over connections that are kept", async () => {
  const { kubo, backend } = await setUp();
  kubo.behaviour = "silent";
  const leaving = new AbortController();
  const all = Array.from({ length: 100 }, () => backend.retrieve(unknownCid(), { signal: leaving.signal }));
  const settled = Promise.allSettled(all);
  // Those that are silent for long have their providers looked for, too.
  const blocksAsked = (): number => kubo.asked.filter((asked) => asked.startsWith("block/get")).length;
  await until(() => expect(blocksAsked()).toBe(32));
  leaving.abort();
  await settled;
  expect(blocksAsked()).toBe(32);
  kubo.behaviour = "answers";
  const bytes = randomBytes(1_000);
  kubo.answers.set("block/get", bytes);
  await nothingIsOpen(kubo);
  const before = kubo.connections;
  for (let i = 0; i < 20; i++) await backend.retrieve(rawCidOf(bytes), within(PATIENCE_MS));
  expect(kubo.connections - before).toBeLessThan(5);
});

test("a put that Kubo answers with 200 but does not keep is not confirmed (dependencies.md §2a.3)", async () => {
  const { kubo, backend } = await setUp();
  const key = createTestName();
  kubo.answers.set("routing/put", '{"ID":"12D3","Type":5,"Responses":null,"Extra":""}\n');
  const put = await backend.put(key.name, await makeRecord(key), within(PATIENCE_MS));
  expect(put).toEqual({ confirmedPeers: 0 });
});

test("an older record than the network's is not put at all", async () => {
  const { kubo, backend } = await setUp();
  const key = createTestName();
  const newer = Buffer.from(await makeRecord(key, { sequence: 2n })).toString("base64");
  kubo.answers.set("routing/get", `{"ID":"","Type":5,"Responses":null,"Extra":"${newer}"}\n`);
  const put = await backend.put(key.name, await makeRecord(key, { sequence: 1n }), within(PATIENCE_MS));
  expect(put).toEqual({ confirmedPeers: 0 });
  expect(kubo.asked.filter((asked) => asked.startsWith("routing/put"))).toEqual([]);
});

test("a Kubo that does not answer about its state is unreachable, calls fail at once, and it is noticed when it is back", async () => {
  const { kubo, backend } = await setUp({ speed: 20 });
  kubo.behaviour = "500";
  kubo.isStatusHostile = true;
  await until(() => expect(backend.status()).toMatchObject({ state: "unreachable", peers: 0 }));
  kubo.asked.length = 0;
  await expect(backend.retrieve(unknownCid(), within(PATIENCE_MS))).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
  });
  expect(kubo.asked).toEqual([]);
  kubo.isStatusHostile = false;
  await until(() => expect(backend.status()).toMatchObject({ state: "running", peers: 1 }));
});

test("while Kubo is away it is looked at less and less often, every ten seconds at last", async () => {
  const waitsMs: number[] = [];
  const { kubo } = await setUp({ speed: 200, onWait: (ms) => waitsMs.push(ms) });
  kubo.behaviour = "500";
  kubo.isStatusHostile = true;
  const pausesMs = (): number[] => waitsMs.slice(waitsMs.indexOf(500)).filter((ms) => ms !== STATUS_MS_MAX);
  await until(() => expect(waitsMs).toContain(500));
  await until(() => expect(pausesMs().length).toBeGreaterThanOrEqual(7));
  expect(pausesMs().slice(0, 7)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});

test("a broken connection makes it look at Kubo at once", async () => {
  const { kubo, backend } = await setUp();
  kubo.behaviour = "reset";
  const looksBefore = kubo.looks;
  await expect(backend.retrieve(unknownCid(), within(PATIENCE_MS))).rejects.toMatchObject(FAILS);
  // Less than the ten seconds until it looks by itself.
  await until(() => expect(kubo.looks).toBeGreaterThan(looksBefore), 8_000);
  expect(backend.status().state).toBe("running");
});

test("a disposed backend ends its calls with SHUTTING_DOWN", async () => {
  const { kubo, backend } = await setUp();
  kubo.behaviour = "silent";
  const call = backend.retrieve(unknownCid(), within(PATIENCE_MS));
  call.catch(() => {});
  await until(() => expect(kubo.asked).not.toEqual([]));
  await backend[Symbol.asyncDispose]();
  await expect(call).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  await nothingIsOpen(kubo);
});
