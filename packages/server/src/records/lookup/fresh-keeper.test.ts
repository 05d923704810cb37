import type { IpnsName } from "@holdfast/core";
import { expect, onTestFinished, test } from "vitest";
import { createRecords } from "../../../test/support/create-records.ts";
import { createTestName, makeRecord, type TestKey } from "../../../test/support/records.ts";
import { ScriptedRouter } from "../../../test/support/scripted-router.ts";
import { FreshKeeper } from "./fresh-keeper.ts";

const signal = new AbortController().signal;

async function setUp(
  options: { readonly warm?: () => readonly IpnsName[]; readonly waitingMax?: number } = {},
) {
  const router = new ScriptedRouter();
  const room = createRecords([router]);
  const { clock, records } = room;
  const keeper = new FreshKeeper(
    {
      records,
      clock,
      timers: clock,
      random: () => 0.5,
      ...(options.warm && { warm: { names: options.warm } }),
    },
    { lookMs: 1_000, tickMs: 100, namesPerTick: 25, aheadShare: 0.25, waitingMax: options.waitingMax ?? 256 },
  );
  onTestFinished(() => keeper.close());
  const hold = async (key: TestKey, ttlMs = 60_000): Promise<void> => {
    const record = await makeRecord(key, { ttlNs: BigInt(ttlMs) * 1_000_000n });
    router.records.set(key.name.text, [record]);
    await records.publish(key.name, record, { origin: "client" });
  };
  return { ...room, router, hold };
}

test("R11: a name that is read all the time is asked for before it goes stale, and its checkedAtMs moves", async () => {
  const { records, clock, router, hold } = await setUp();
  const key = createTestName();
  await hold(key);
  for (let s = 0; s < 300; s++) {
    for (let i = 0; i < 2; i++) {
      const stored = records.peek(key.name);
      expect(stored && records.freshnessOf(stored)).toBe("fresh");
    }
    await clock.advance(1_000);
  }
  // Each round takes about 0.8 of a minute.
  expect(router.getCount).toBeGreaterThanOrEqual(5);
  expect(router.getCount).toBeLessThanOrEqual(8);
});

test("a name whose record cannot be read keeps no other from being fresh", async () => {
  const [broken, key] = [createTestName(), createTestName()];
  const { records, clock, router, hold, store } = await setUp({ warm: () => [broken.name, key.name] });
  await hold(key);
  const get = store.get.bind(store);
  store.get = (name) => {
    if (name.text === broken.name.text) throw new Error("database disk image is malformed");
    return get(name);
  };
  records.refreshBehind(broken.name);
  await clock.advance(1_000);
  const refreshedCount = router.getCount;
  await clock.advance(60_000);
  expect(router.getCount).toBe(refreshedCount + 1);
});

test("an idle name is left alone, and one that nobody reads any more is let go", async () => {
  const { records, clock, router, hold } = await setUp();
  const [idle, forgotten] = [createTestName(), createTestName()];
  await hold(idle);
  await hold(forgotten);
  records.peek(idle.name);
  for (let i = 0; i < 8; i++) records.peek(forgotten.name);
  await clock.advance(59_000);
  expect(router.getCount).toBe(1);
  await clock.advance(600_000);
  expect(router.getCount).toBeLessThanOrEqual(2);
});

test("a short TTL is kept as well", async () => {
  const { records, clock, hold } = await setUp();
  const key = createTestName();
  await hold(key, 10_000);
  for (let s = 0; s < 60; s++) {
    for (let i = 0; i < 4; i++) records.peek(key.name);
    const stored = records.held(key.name);
    expect(stored && records.freshnessOf(stored)).toBe("fresh");
    await clock.advance(1_000);
  }
});

test("warm names are fresh though nobody reads them, also those that were not held, and the list may change", async () => {
  const keys = [createTestName(), createTestName(), createTestName()] as const;
  let list: readonly IpnsName[] = [keys[0].name, keys[1].name];
  const { records, clock, router, hold } = await setUp({ warm: () => list });
  await hold(keys[0]);
  router.records.set(keys[1].name.text, [await makeRecord(keys[1])]);
  const freshness = ({ name }: TestKey) => {
    const stored = records.held(name);
    return stored && records.freshnessOf(stored);
  };
  await clock.advance(2_000);
  for (let s = 0; s < 200; s++) {
    expect([freshness(keys[0]), freshness(keys[1])]).toEqual(["fresh", "fresh"]);
    await clock.advance(1_000);
  }
  router.records.set(keys[2].name.text, [await makeRecord(keys[2])]);
  list = [keys[2].name];
  await clock.advance(70_000);
  expect(freshness(keys[2])).toBe("fresh");
  expect(freshness(keys[0])).toBe("stale");
});

test("a warm name that nobody knows is asked for once per negative entry", async () => {
  const { name } = createTestName();
  const { clock, router } = await setUp({ warm: () => [name] });
  await clock.advance(60_000);
  expect(router.getCount).toBeGreaterThanOrEqual(3);
  expect(router.getCount).toBeLessThanOrEqual(5);
});

test("R11: many warm names never wait in the queue beyond the cap, and all get their turn", async () => {
  const keys = Array.from({ length: 60 }, () => createTestName());
  const { records, clock, router, hold, metrics } = await setUp({
    warm: () => keys.map(({ name }) => name),
    waitingMax: 10,
  });
  for (const key of keys) await hold(key);
  await clock.advance(70_000);
  let waitingMax = 0;
  for (let s = 0; s < 20; s++) {
    waitingMax = Math.max(waitingMax, records.refreshesWaiting);
    await clock.advance(1_000);
  }
  expect(waitingMax).toBeLessThanOrEqual(10);
  expect(metrics.records.refreshesDropped).toBe(0);
  expect(router.getCount).toBeGreaterThanOrEqual(60);
  expect(await records.resolve(keys[59]?.name ?? createTestName().name, { signal })).toMatchObject({
    freshness: "fresh",
  });
});
