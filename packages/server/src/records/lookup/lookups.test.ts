import { expect, test } from "vitest";
import { createRecords } from "../../../test/support/create-records.ts";
import { createTestName, makeRecord } from "../../../test/support/records.ts";
import { ScriptedRouter } from "../../../test/support/scripted-router.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { HoldfastError } from "@holdfast/core";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import type { RecordRouter } from "./record-router.ts";
import { RouterHealth, type RouterHealthOptions } from "./router-health.ts";
import { until } from "../../../test/support/until.ts";

const signal = new AbortController().signal;
const HTTP: RouterHealthOptions = {
  breaker: { failuresMax: 3, firstPauseMs: 30_000, pauseMsMax: 60_000 },
  patienceMs: 2_000,
};

/** Routers that are asked over HTTP, each with its own health. */
function setUp(...routers: readonly ScriptedRouter[]) {
  const clock = new ManualClock();
  const parts = { clock, random: () => 0.5, metrics: new Metrics() };
  const healths = new Map<RecordRouter, RouterHealth>(
    routers.map((router) => [router, new RouterHealth(router.label, parts, HTTP)]),
  );
  const healthOf = (router: RecordRouter): RouterHealth => {
    const health = healths.get(router);
    if (health === undefined) throw new Error("a router of another test");
    return health;
  };
  const room = createRecords(routers, { parts: { healthOf, clock, timers: clock } });
  return { ...room, clock, healthOf };
}

function manual(label: string): ScriptedRouter {
  const router = new ScriptedRouter(label);
  router.manual = true;
  return router;
}

function discredit(health: RouterHealth): void {
  for (let i = 0; i < 20; i++) health.admit()?.ended("older", 50);
  expect(health.isDoubtful).toBe(true);
}

function breakDown(health: RouterHealth): void {
  for (let i = 0; i < 3; i++) health.admit()?.failed();
  expect(health.admit()).toBeUndefined();
}

const missed = { code: "RECORD_NOT_FOUND" };

test("P1: routers that work are asked at once, and a later, better answer wins", async () => {
  const [a, b] = [manual("a"), manual("b")];
  const { records } = setUp(a, b);
  const key = createTestName();
  const resolving = records.resolve(key.name, { signal });
  await until(() => expect([a.gets.length, b.gets.length]).toEqual([1, 1]));
  a.gets[0]?.answer(await makeRecord(key, { sequence: 4n }));
  expect(await resolving).toMatchObject({ lookup: "first-answer", upstream: "confirmed" });
  b.gets[0]?.answer(await makeRecord(key, { sequence: 5n }));
  await until(() => expect(records.held(key.name)?.record.sequence).toBe(5n));
  expect(records.isLookedUp(key.name)).toBe(true);
  a.gets[0]?.end();
  b.gets[0]?.end();
  await until(() => expect(records.isLookedUp(key.name)).toBe(false));
});

test("a router that lied is asked 300 ms after the others, and its answer still counts (P1)", async () => {
  const [good, liar] = [manual("good"), manual("liar")];
  const { records, clock, healthOf } = setUp(good, liar);
  discredit(healthOf(liar));
  const key = createTestName();
  const resolving = records.resolve(key.name, { signal });
  await clock.advance(299);
  expect([good.gets.length, liar.gets.length]).toEqual([1, 0]);
  await clock.advance(1);
  expect(liar.gets).toHaveLength(1);
  good.gets[0]?.answer(await makeRecord(key, { sequence: 1n }));
  expect((await resolving).stored.record.sequence).toBe(1n);
  liar.gets[0]?.answer(await makeRecord(key, { sequence: 2n }));
  await until(() => expect(records.held(key.name)?.record.sequence).toBe(2n));
});

test("a doubtful router is asked as soon as the others know nothing, and at once when there is nobody else", async () => {
  const [good, liar] = [manual("good"), manual("liar")];
  const { records, healthOf } = setUp(good, liar);
  discredit(healthOf(liar));
  const key = createTestName();
  const resolving = records.resolve(key.name, { signal });
  await until(() => expect(good.gets).toHaveLength(1));
  good.gets[0]?.end();
  await until(() => expect(liar.gets).toHaveLength(1));
  liar.gets[0]?.answer(await makeRecord(key));
  expect((await resolving).stored.record.sequence).toBe(1n);

  discredit(healthOf(good));
  const asked = records.resolve(createTestName().name, { signal }).catch(() => "missed");
  await until(() => expect([good.gets.length, liar.gets.length]).toEqual([2, 2]));
  for (const router of [good, liar]) router.gets[1]?.end();
  expect(await asked).toBe("missed");
});

test("a router with an open breaker is not asked; its probe goes along and nobody waits for it", async () => {
  const [good, dead] = [new ScriptedRouter("good"), manual("dead")];
  const { records, clock, healthOf } = setUp(good, dead);
  breakDown(healthOf(dead));
  await expect(records.resolve(createTestName().name, { signal })).rejects.toMatchObject(missed);
  expect(dead.gets).toHaveLength(0);
  await clock.advance(30_000);
  const key = createTestName();
  await expect(records.resolve(key.name, { signal })).rejects.toMatchObject(missed);
  expect(dead.gets).toHaveLength(1);
  // What the probe brings is taken in all the same.
  dead.gets[0]?.answer(await makeRecord(key));
  dead.gets[0]?.end();
  await until(() => expect(healthOf(dead).status()).toMatchObject({ breaker: "closed", found: 1 }));
  expect((await records.resolve(key.name, { signal })).answeredFrom).toBe("store");
});

test("the probe of the only router is waited for: it may work again", async () => {
  const only = manual("only");
  const { records, clock, healthOf } = setUp(only);
  breakDown(healthOf(only));
  await clock.advance(30_000);
  const key = createTestName();
  const resolving = records.resolve(key.name, { signal });
  await until(() => expect(only.gets).toHaveLength(1));
  only.gets[0]?.answer(await makeRecord(key));
  expect((await resolving).stored.record.sequence).toBe(1n);
});

test("a silent router is waited for no longer than its patience once another one was heard", async () => {
  const [good, silent] = [new ScriptedRouter("good"), manual("silent")];
  const { records, clock, healthOf } = setUp(good, silent);
  const { name } = createTestName();
  const asked = records.resolve(name, { signal }).catch((err: unknown) => err);
  await clock.advance(1_999);
  expect(await Promise.race([asked, Promise.resolve("waiting")])).toBe("waiting");
  await clock.advance(1);
  expect(await asked).toMatchObject({ ...missed, details: { phase: "complete" } });
  expect(records.isKnownAbsent(name)).toBe(true);
  // Time is up for the lookup only: the router itself has until the end of the budget, and then it has failed.
  expect(silent.gets[0]?.signal.aborted).toBe(false);
  await clock.advance(8_000);
  expect(silent.gets[0]?.signal.aborted).toBe(true);
  expect(healthOf(silent).status()).toMatchObject({ failures: 1 });
});

test("an answer after the patience is stored all the same, and ends the absence", async () => {
  const [good, slow] = [new ScriptedRouter("good"), manual("slow")];
  const { records, clock } = setUp(good, slow);
  const key = createTestName();
  const asked = records.resolve(key.name, { signal }).catch((err: unknown) => err);
  await clock.advance(2_000);
  expect(await asked).toMatchObject(missed);
  slow.gets[0]?.answer(await makeRecord(key));
  await until(() => expect(records.held(key.name)).toBeDefined());
  expect(records.isKnownAbsent(key.name)).toBe(false);
});

test("while nobody was heard a silent router is waited for until the first-answer budget, and nothing is remembered as absent", async () => {
  const [broken, silent] = [new ScriptedRouter("broken"), manual("silent")];
  broken.unavailable = new HoldfastError("BACKEND_UNAVAILABLE", "down");
  const { records, clock } = setUp(broken, silent);
  const { name } = createTestName();
  const asked = records.resolve(name, { signal }).catch((err: unknown) => err);
  await clock.advance(4_999);
  expect(await Promise.race([asked, Promise.resolve("waiting")])).toBe("waiting");
  await clock.advance(1);
  expect(await asked).toMatchObject({ ...missed, details: { phase: "over-budget" } });
  await clock.advance(10_000);
  expect(records.isKnownAbsent(name)).toBe(false);
});

test("a router that gives only what is not valid was not heard, and is known for it", async () => {
  const liar = new ScriptedRouter("liar");
  const { records, healthOf } = setUp(liar);
  const { name } = createTestName();
  liar.records.set(name.text, [await makeRecord(createTestName()), new Uint8Array([1, 2, 3])]);
  await expect(records.resolve(name, { signal })).rejects.toMatchObject(missed);
  expect(records.isKnownAbsent(name)).toBe(false);
  expect(healthOf(liar).status()).toMatchObject({ asked: 1, lies: { invalid: 1, expired: 0, older: 0 } });
});

test("the best of its answers speaks for a router: one good record among old ones is no lie", async () => {
  const dht = new ScriptedRouter("dht");
  const { records, clock, healthOf } = setUp(dht);
  const key = createTestName();
  const eolMs = clock.nowMs() - 1_000;
  dht.records.set(key.name.text, [
    await makeRecord(key, { eolMs }),
    await makeRecord(key, { sequence: 3n }),
    await makeRecord(key, { sequence: 2n }),
  ]);
  await records.resolve(key.name, { signal });
  await until(() => expect(healthOf(dht).status()).toMatchObject({ asked: 1 }));
  expect(healthOf(dht).status()).toMatchObject({ found: 1, lies: { older: 0, expired: 0, invalid: 0 } });
  dht.records.set(key.name.text, [await makeRecord(key, { eolMs })]);
  await records.resolve(key.name, { signal, ask: "first" });
  dht.records.set(key.name.text, [await makeRecord(key, { sequence: 2n })]);
  await records.resolve(key.name, { signal, ask: "first" });
  expect(healthOf(dht).status()).toMatchObject({ found: 1, lies: { older: 1, expired: 1, invalid: 0 } });
});

test("closing ends every query, and blames nobody for it", async () => {
  const [a, b] = [manual("a"), manual("b")];
  const { records, healthOf } = setUp(a, b);
  const asked = records.resolve(createTestName().name, { signal }).catch((err: unknown) => err);
  await until(() => expect(a.gets).toHaveLength(1));
  await records.close();
  expect(await asked).toMatchObject(missed);
  for (const router of [a, b]) {
    expect(router.gets[0]?.signal.aborted).toBe(true);
    expect(healthOf(router).status()).toMatchObject({ asked: 0, failures: 0 });
  }
});

test("P5: a name that is asked for again while it is absent is looked up behind the answer, once, from half the entry's age", async () => {
  const router = new ScriptedRouter();
  const { records, clock, metrics } = setUp(router);
  const key = createTestName();
  const ask = (): Promise<unknown> => records.resolve(key.name, { signal }).catch((err: unknown) => err);
  await ask();
  expect(router.getCount).toBe(1);
  await clock.advance(7_000);
  expect(await ask()).toMatchObject({ details: { phase: "known-absent" } });
  await clock.advance(499);
  expect(router.getCount).toBe(1);
  await clock.advance(1);
  for (let i = 0; i < 50; i++) expect(await ask()).toMatchObject({ details: { phase: "known-absent" } });
  await clock.advance(250);
  expect(router.getCount).toBe(2);
  expect(metrics.records.negativeHits).toBe(51);
  // The entry began anew, and nobody asks: nothing is looked up.
  await clock.advance(14_000);
  expect(router.getCount).toBe(2);
  router.records.set(key.name.text, [await makeRecord(key)]);
  await ask();
  await clock.advance(250);
  expect(await ask()).toMatchObject({ answeredFrom: "store" });
});
