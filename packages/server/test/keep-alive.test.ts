import type { IpnsName } from "@holdfast/core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MARGIN_MS, RECORD_LIFETIME_MS } from "../src/records/keep-alive/keep-alive-times.ts";
import { FakeDht } from "./support/fake-dht.ts";
import { KeepAliveWorld, seededRandom, type WorldOptions } from "./support/keep-alive-world.ts";
import { createTestName } from "./support/records.ts";

// Hours of simulated time are work: on a machine that has much else to do it takes its time.
vi.setConfig({ testTimeout: 120_000 });

const [HOUR_MS, SECOND_MS] = [3_600_000, 1_000];
/** Two puts of a record that arrived are never closer than this. */
const INTERVAL_MS_MIN = RECORD_LIFETIME_MS - 1.1 * MARGIN_MS;

function createWorld(options: WorldOptions = {}): KeepAliveWorld {
  const world = new KeepAliveWorld(options);
  onTestFinished(() => world[Symbol.asyncDispose]());
  return world;
}

function createDht(world: KeepAliveWorld, label?: string): FakeDht {
  return new FakeDht({ clock: world.clock, random: seededRandom(7) }, label === undefined ? {} : { label });
}

function putsOf(dht: FakeDht, name: IpnsName): readonly Uint8Array[] {
  return dht.puts.filter((each) => each.name.text === name.text).map(({ bytes }) => bytes);
}

function startsOf(dht: FakeDht): Map<string, number[]> {
  const starts = new Map<string, number[]>();
  for (const { name, startedAtMs } of dht.puts) {
    starts.set(name.text, [...(starts.get(name.text) ?? []), startedAtMs]);
  }
  return starts;
}

describe("when a record is put", () => {
  test("INV-9: a client's record is put to every target at once, as it is, and again a margin before it would be forgotten", async () => {
    const world = createWorld();
    const dhts = [createDht(world, "a"), createDht(world, "b")];
    await world.begin(dhts);
    const record = await world.makeRecord();
    await world.put([record]);
    await world.clock.advance(SECOND_MS);
    for (const dht of dhts) expect(putsOf(dht, record.name)).toEqual([new Uint8Array(record.bytes)]);
    await world.clock.advance(INTERVAL_MS_MIN - 2 * SECOND_MS);
    for (const dht of dhts) expect(dht.puts).toHaveLength(1);
    await world.clock.advance(0.2 * MARGIN_MS + 60 * SECOND_MS);
    for (const dht of dhts) expect(dht.puts).toHaveLength(2);
    for (const dht of dhts) expect(putsOf(dht, record.name)[1]).toEqual(new Uint8Array(record.bytes));
  });

  test.each(["network", "peer-push"] as const)(
    "a record that came by %s is put within an hour, because nobody knows when it was put last",
    async (origin) => {
      const world = createWorld();
      const dht = createDht(world);
      await world.begin([dht]);
      const records = await world.makeRecords(40);
      await world.put(records, origin);
      await world.clock.advance(60 * SECOND_MS);
      expect(dht.puts.length).toBeLessThan(20);
      await world.clock.advance(HOUR_MS + 60 * SECOND_MS);
      expect(dht.puts).toHaveLength(40);
    },
  );

  test("INV-10, R13, gotcha 5: never past its EOL: neither when it is due, nor when it waits for another attempt, nor by a pass", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    const [brief, failing] = [
      await world.makeRecord({ lifeMs: 30 * HOUR_MS }),
      await world.makeRecord({ lifeMs: 3 * HOUR_MS }),
    ];
    dht.refused.add(failing.name.text);
    await world.put([brief, failing]);
    await world.clock.advance(30 * HOUR_MS);
    const putCount = dht.puts.length;
    expect(putsOf(dht, brief.name)).toHaveLength(2);
    await world.clock.advance(120 * HOUR_MS);
    await world.keepAlive.reannounce();
    await world.clock.advance(HOUR_MS);
    expect(dht.puts).toHaveLength(putCount);
    expect(dht.puts.filter((p) => p.name.text === failing.name.text).at(-1)?.startedAtMs).toBeLessThan(
      failing.eolMs,
    );
    expect(world.metrics.propagation.expired).toBe(2);
    expect(world.store.propagations.of(brief.name)).toEqual([]);
  });

  test("INV-10: a put that would outlast the EOL is ended then", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 60 * SECOND_MS;
    await world.begin([dht]);
    await world.put([await world.makeRecord({ lifeMs: 10 * SECOND_MS })]);
    await world.clock.advance(11 * SECOND_MS);
    expect(world.keepAlive.status().targets[0]?.putsUnderWay).toBe(0);
    expect(world.metrics.propagation.confirmed).toBe(0);
  });

  test("INV-8: of records that follow each other only the newest is put, and never two of a name at once", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 10 * SECOND_MS;
    await world.begin([dht]);
    const key = createTestName();
    const records = await Promise.all([1n, 2n, 3n].map((sequence) => world.makeRecord({ key, sequence })));
    for (const record of records.slice(0, 1)) await world.put([record]);
    await world.clock.advance(SECOND_MS);
    for (const record of records.slice(1)) await world.put([record]);
    await world.clock.advance(60 * SECOND_MS);
    expect(putsOf(dht, key.name)).toEqual(
      [records[0], records[2]].map((r) => new Uint8Array(r?.bytes ?? [])),
    );
    expect(dht.doublePuts).toBe(0);
    expect(world.store.propagations.of(key.name)).toMatchObject([{ isCurrentConfirmed: true, lane: "kept" }]);
  });

  test("a newer record from the network does not put a name off that is about to be forgotten", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    const key = createTestName();
    await world.put([await world.makeRecord({ key })]);
    await world.clock.advance(20 * HOUR_MS);
    const [before] = world.store.propagations.of(key.name);
    await world.put([await world.makeRecord({ key, sequence: 2n })], "network");
    const [after] = world.store.propagations.of(key.name);
    expect(after?.darkAtMs).toBe(before?.darkAtMs);
    expect(after?.dueAtMs).toBeLessThanOrEqual(before?.dueAtMs ?? 0);
    expect(after?.isCurrentConfirmed).toBe(false);
  });
});

describe("what fails", () => {
  test("P2: records that no target takes hold up nobody, wait longer each time, and are tried again for ever", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = SECOND_MS;
    await world.begin([dht]);
    const records = await world.makeRecords(200);
    const poisoned = records.slice(0, 20);
    for (const { name } of poisoned) dht.refused.add(name.text);
    await world.put(records);
    await world.clock.advance(10 * 60 * SECOND_MS);
    expect(world.metrics.propagation.confirmed).toBe(180);
    const attempts = startsOf(dht);
    for (const { name } of poisoned) {
      const starts = attempts.get(name.text) ?? [];
      const pauses = starts.slice(1).map((at, i) => at - (starts[i] ?? 0));
      expect(pauses.length).toBeGreaterThanOrEqual(3);
      expect(pauses.toSorted((a, b) => a - b)).toEqual(pauses);
    }
    await world.clock.advance(18 * HOUR_MS);
    const [row] = world.store.propagations.of(poisoned[0]?.name ?? createTestName().name);
    expect(row).toMatchObject({ lane: "retry", problem: "no peer confirmed it" });
    expect(row?.attempts).toBeGreaterThan(15);
    dht.refused.clear();
    await world.clock.advance(2 * HOUR_MS);
    expect(world.metrics.propagation.confirmed).toBe(200);
  });

  test("a target that is away is left alone, is back within seconds, and no record is blamed for it", async () => {
    const world = createWorld();
    const [away, other] = [createDht(world, "away"), createDht(world, "other")];
    away.isAway = true;
    await world.begin([away, other]);
    const records = await world.makeRecords(100);
    await world.put(records);
    await world.clock.advance(HOUR_MS);
    expect(other.putCount).toBe(100);
    expect(world.metrics.propagation.failed).toBe(0);
    expect(world.metrics.propagation.unavailable).toBeLessThan(2_000);
    const rows = records.flatMap(({ name }) => world.store.propagations.of(name));
    expect(rows.filter(({ target, lane }) => target === "away" && lane === "new")).toHaveLength(100);
    expect(rows.every(({ attempts }) => attempts === 0)).toBe(true);
    away.isAway = false;
    await world.clock.advance(30 * SECOND_MS);
    expect(away.putCount).toBe(100);
  });

  test("a put that never answers is given up in time, and its place is free again", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 1_000 * HOUR_MS;
    await world.begin([dht], { limitMax: 1, limitAtStart: 1 });
    await world.put(await world.makeRecords(2));
    await world.clock.advance(130 * SECOND_MS);
    expect(dht.puts).toHaveLength(2);
    expect(world.metrics.propagation.failed).toBe(1);
  });
});

describe("who comes first", () => {
  test("R14: a node that was off for 40 hours puts the names first that would be forgotten first", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    // Put over 8 hours, so that they are forgotten over 8 hours.
    const records = await world.makeRecords(160);
    for (const record of records) {
      await world.put([record]);
      await world.clock.advance((8 * HOUR_MS) / 160);
    }
    expect(dht.puts).toHaveLength(160);
    await world.end();
    world.clock.skip(39.5 * HOUR_MS);
    dht.puts.length = 0;
    dht.latencyMs = 20 * SECOND_MS;
    await world.begin([dht], { limitMax: 8 });
    await world.clock.advance(HOUR_MS);
    const order = dht.puts.map(({ name }) => records.findIndex((record) => record.name.text === name.text));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order).toHaveLength(160);
    expect(dht.forgottenCount).toBe(0);
    expect(dht.countForgotten()).toBe(0);
  });

  test("R14: of names that are forgotten already and those about to be, the latter go first", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    const records = await world.makeRecords(90);
    for (const record of records) {
      await world.put([record]);
      await world.clock.advance((9 * HOUR_MS) / 90);
    }
    await world.end();
    // The first 40 have been forgotten by then; the next 10 would be within the hour.
    world.clock.skip(42.95 * HOUR_MS);
    dht.puts.length = 0;
    dht.latencyMs = SECOND_MS;
    await world.begin([dht], { limitMax: 4 });
    await world.clock.advance(HOUR_MS);
    const order = dht.puts.map(({ name }) => records.findIndex((record) => record.name.text === name.text));
    const range = (from: number, until: number) => Array.from({ length: until - from }, (_, i) => from + i);
    expect(order).toEqual([...range(40, 50), ...range(0, 40), ...range(50, 90)]);
    expect(dht.forgottenCount).toBe(40);
  });

  test("a client's record goes before those that are kept alive, and these keep a quarter under a flood of clients'", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    const kept = await world.makeRecords(200);
    await world.put(kept);
    await world.clock.advance(20 * HOUR_MS);
    await world.end();
    world.clock.skip(10 * HOUR_MS);
    const isKept = new Set(kept.map(({ name }) => name.text));
    dht.puts.length = 0;
    dht.latencyMs = 10 * SECOND_MS;
    await world.begin([dht], { limitMax: 4, limitAtStart: 4 });
    dht.puts.length = 0;
    await world.put(await world.makeRecords(200));
    await world.clock.advance(120 * SECOND_MS);
    const newCount = dht.puts.filter(({ name }) => !isKept.has(name.text)).length;
    expect(dht.puts.length).toBeGreaterThan(30);
    expect(newCount / dht.puts.length).toBeGreaterThan(0.4);
    expect(newCount / dht.puts.length).toBeLessThanOrEqual(0.8);
  });

  test("lookups under way take places from the pass, not from clients' records, and never all of them", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 10 * SECOND_MS;
    await world.begin([dht], { limitMax: 16, limitAtStart: 16 });
    world.lookupsInFlight = 100;
    await world.put(await world.makeRecords(200), "network");
    await world.clock.advance(HOUR_MS);
    expect(dht.putsUnderWayMax).toBe(4);
    await world.put(await world.makeRecords(50));
    await world.clock.advance(SECOND_MS);
    expect(dht.putsUnderWayMax).toBe(16);
  });
});

describe("after a kill", () => {
  test("INV-12: nothing of the outbox is forgotten, and nothing is put again but what was under way or not yet written", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 2 * SECOND_MS;
    await world.begin([dht], { limitMax: 16 });
    const records = await world.makeRecords(300);
    await world.put(records);
    await world.clock.advance(12 * SECOND_MS);
    const before = dht.puts.length;
    expect(before).toBeGreaterThan(50);
    expect(before).toBeLessThan(250);
    await world.kill();
    await world.begin([dht]);
    await world.clock.advance(10 * 60 * SECOND_MS);
    for (const { name, bytes } of records) expect(dht.recordOf(name)).toEqual(new Uint8Array(bytes));
    const repeated = [...startsOf(dht).values()].filter((starts) => starts.length > 1);
    // 16 under way, and what was confirmed in the last second.
    expect(repeated.length).toBeLessThanOrEqual(16 + 16);
    await world.clock.advance(20 * HOUR_MS);
    expect(dht.puts).toHaveLength(300 + repeated.length);
  });

  test("a stop writes down what came of each put: nothing at all is put twice", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    await world.put(await world.makeRecords(50));
    await world.clock.advance(100);
    await world.end();
    await world.begin([dht]);
    await world.clock.advance(HOUR_MS);
    expect(dht.puts).toHaveLength(50);
  });
});

describe("a week", () => {
  test("R14: of 2,000 records none is forgotten in a simulated week with 10 % failures, and none is put twice within its margin", async () => {
    const world = createWorld({ seed: 3 });
    const dht = createDht(world);
    dht.latencyMs = 10 * SECOND_MS;
    await world.begin([dht]);
    const records = await world.makeRecords(2_000);
    await world.put(records.slice(0, 1_000));
    await world.put(records.slice(1_000), "network");
    await world.clock.advance(2 * HOUR_MS);
    dht.failures = 0.1;
    for (let day = 0; day < 7; day++) {
      await world.clock.advance(24 * HOUR_MS);
      expect(dht.countForgotten()).toBe(0);
      expect(world.keepAlive.status()).toMatchObject({ isAlerting: false, targets: [{ darkNames: 0 }] });
    }
    expect(dht.forgottenCount).toBe(0);
    expect(dht.doublePuts).toBe(0);
    for (const { name, bytes } of records) expect(dht.recordOf(name)).toEqual(new Uint8Array(bytes));
    // At most eight puts that arrived in 7 days and 2 hours, 21.6 hours apart; failures come on top.
    const { confirmed, failed } = world.metrics.propagation;
    const underWay = world.keepAlive.status().targets[0]?.putsUnderWay ?? 0;
    expect(dht.putCount).toBe(confirmed + failed + underWay);
    expect(confirmed).toBeGreaterThanOrEqual(2_000 * 7);
    expect(confirmed).toBeLessThanOrEqual(2_000 * 8);
    expect(world.metrics.propagation.alerts).toBe(0);
  });
});
