import { DatabaseSync } from "node:sqlite";
import { Writable } from "node:stream";
import { pino } from "pino";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { FakeDht } from "./support/fake-dht.ts";
import { KeepAliveWorld, seededRandom, type WorldOptions } from "./support/keep-alive-world.ts";
import { createTestName } from "./support/records.ts";

// Hours of simulated time are work: on a machine that has much else to do it takes its time.
vi.setConfig({ testTimeout: 120_000 });

const [HOUR_MS, SECOND_MS] = [3_600_000, 1_000];

function createWorld(options: WorldOptions = {}): KeepAliveWorld {
  const world = new KeepAliveWorld(options);
  onTestFinished(() => world[Symbol.asyncDispose]());
  return world;
}

function createDht(world: KeepAliveWorld, label = "dht"): FakeDht {
  return new FakeDht({ clock: world.clock, random: seededRandom(7) }, { label });
}

/** Another connection to the database, which waits while the store's thread writes. */
function openBeside(world: KeepAliveWorld): DatabaseSync {
  return new DatabaseSync(world.store.databasePath, { timeout: 5_000 });
}

/** A logger whose lines a test can read. */
function createLog(): { readonly logger: pino.Logger; messages(): string[] } {
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const messages = (): string[] => lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  return { logger: pino({ level: "info" }, stream), messages };
}

describe("targets", () => {
  test("a new target gets every name that is held, bit by bit, and a removed one is forgotten", async () => {
    const world = createWorld();
    const [old, fresh] = [createDht(world, "old"), createDht(world, "new")];
    await world.begin([old], { tendNamesMax: 20 });
    const records = await world.makeRecords(100);
    await world.put(records);
    await world.clock.advance(60 * SECOND_MS);
    await world.end();

    await world.begin([fresh], { tendNamesMax: 20 });
    expect(world.keepAlive.status().isTending).toBe(true);
    const during = await world.makeRecord();
    await world.put([during]);
    await world.clock.advance(2 * HOUR_MS);
    expect(world.keepAlive.status().isTending).toBe(false);
    expect(fresh.puts).toHaveLength(101);
    expect(old.puts).toHaveLength(100);
    for (const { name } of records) {
      expect(world.store.propagations.of(name).map(({ target }) => target)).toEqual(["new"]);
    }
    using db = new DatabaseSync(world.store.databasePath, { readOnly: true });
    expect(db.prepare("SELECT count(*) AS c FROM propagations").get()).toEqual({ c: 101 });
    expect(db.prepare("SELECT count(*) AS c FROM propagation_targets").get()).toEqual({ c: 1 });
  });

  test("a target that comes back while its rows are being deleted has every name again", async () => {
    const world = createWorld();
    const [old, other] = [createDht(world, "old"), createDht(world, "other")];
    await world.begin([old, other]);
    const records = await world.makeRecords(100);
    await world.put(records);
    await world.clock.advance(60 * SECOND_MS);
    await world.end();
    await world.begin([other], { tendNamesMax: 20, tendPauseMs: HOUR_MS });
    await world.clock.advance(1.5 * HOUR_MS);
    await world.end();
    await world.begin([old, other], { tendNamesMax: 20 });
    await world.clock.advance(2 * HOUR_MS);
    for (const { name } of records) expect(world.store.propagations.of(name)).toHaveLength(2);
  });

  test("a node without a network leaves what it knows of targets as it is, and puts later what came meanwhile", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    const [before, during] = [await world.makeRecord(), await world.makeRecord()];
    await world.put([before]);
    await world.clock.advance(60 * SECOND_MS);
    await world.end();
    await world.begin([]);
    await world.put([during]);
    await world.clock.advance(60 * SECOND_MS);
    expect(world.keepAlive.status()).toMatchObject({ targets: [], isAlerting: false, isTending: false });
    await world.end();
    await world.begin([dht]);
    await world.clock.advance(60 * SECOND_MS);
    expect(dht.puts.map(({ name }) => name.text)).toEqual([before.name.text, during.name.text]);
  });

  test("a record whose stored bytes are damaged is dropped, and harms no other", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([]);
    await world.end();
    await world.begin([dht]);
    const [damaged, sound] = [await world.makeRecord(), await world.makeRecord()];
    await world.put([damaged, sound], "network");
    using db = openBeside(world);
    db.prepare("UPDATE records SET bytes = x'010203' WHERE name = ?").run(damaged.name.multihash);
    await world.clock.advance(2 * HOUR_MS);
    expect(dht.puts.map(({ name }) => name.text)).toEqual([sound.name.text]);
    expect(world.store.propagations.of(damaged.name)).toEqual([]);
  });
});

describe("a disk that refuses", () => {
  test("what came of puts is kept and written later; few enough are started meanwhile that a kill repeats few", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht], { unwrittenMax: 50 });
    await world.put(await world.makeRecords(200));
    using db = openBeside(world);
    db.exec("CREATE TRIGGER refuse BEFORE UPDATE ON propagations BEGIN SELECT RAISE(ABORT, 'refused'); END");
    await world.clock.advance(600 * SECOND_MS);
    expect(dht.puts.length).toBeGreaterThanOrEqual(50);
    expect(dht.puts.length).toBeLessThanOrEqual(50 + 64);
    db.exec("DROP TRIGGER refuse");
    await world.clock.advance(60 * SECOND_MS);
    expect(dht.puts).toHaveLength(200);
    expect(world.keepAlive.status().targets).toMatchObject([{ newNames: 0, lagMs: 0 }]);
  });
});

describe("names at risk", () => {
  test("INV-15: one line when names come near to being forgotten and one when they no longer do; time to dark counts down", async () => {
    const log = createLog();
    const world = createWorld({ logger: log.logger });
    const dht = createDht(world);
    await world.begin([dht]);
    await world.put(await world.makeRecords(300));
    await world.clock.advance(HOUR_MS);
    const timeToDarkMs = world.keepAlive.status().timeToDarkMs ?? 0;
    expect(timeToDarkMs).toBeGreaterThan(46.9 * HOUR_MS);
    expect(timeToDarkMs).toBeLessThanOrEqual(47.1 * HOUR_MS);
    dht.isAway = true;
    const alerts = (): string[] => log.messages().filter((line) => line.includes("about to be forgotten"));
    await world.clock.advance(34 * HOUR_MS);
    expect(alerts()).toEqual([]);
    await world.clock.advance(4 * HOUR_MS);
    expect(alerts()).toHaveLength(1);
    expect(world.keepAlive.status()).toMatchObject({
      isAlerting: true,
      targets: [{ atRiskNames: 300, darkNames: 0 }],
    });
    await world.clock.advance(12 * HOUR_MS);
    expect(world.keepAlive.status()).toMatchObject({ targets: [{ atRiskNames: 0, darkNames: 300 }] });
    dht.isAway = false;
    await world.clock.advance(HOUR_MS);
    expect(alerts()).toHaveLength(2);
    expect(world.metrics.propagation.alerts).toBe(1);
    expect(world.keepAlive.status()).toMatchObject({
      isAlerting: false,
      targets: [{ darkNames: 0, lagMs: 0 }],
    });
  });

  test("of one name it is said where it is, what failed, and when it is put next", async () => {
    const world = createWorld();
    const [near, far] = [createDht(world, "near"), createDht(world, "far")];
    await world.begin([near, far]);
    const record = await world.makeRecord();
    far.refused.add(record.name.text);
    expect(world.keepAlive.propagationOf(record.name)).toBeUndefined();
    await world.put([record]);
    expect(world.keepAlive.propagationOf(record.name)?.targets).toMatchObject([
      { target: "near", state: "waiting", attempts: 0 },
      { target: "far", state: "waiting" },
    ]);
    await world.clock.advance(60 * SECOND_MS);
    const status = world.keepAlive.propagationOf(record.name);
    expect(status?.targets).toMatchObject([
      { target: "near", state: "confirmed", attempts: 0 },
      { target: "far", state: "failed" },
    ]);
    expect(status?.targets[1]?.attempts).toBeGreaterThanOrEqual(2);
    expect(status?.nextRepublishMs).toBe(status?.targets[1]?.nextAttemptMs);
  });

  test("records per hour, what is new and what fails are counted", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 10 * SECOND_MS;
    await world.begin([dht]);
    const records = await world.makeRecords(60);
    for (const { name } of records.slice(0, 5)) dht.refused.add(name.text);
    await world.put(records);
    await world.clock.advance(SECOND_MS);
    expect(world.keepAlive.status().targets).toMatchObject([
      { target: "dht", newNames: 60, putsUnderWay: 8 },
    ]);
    await world.clock.advance(600 * SECOND_MS);
    expect(world.keepAlive.status().targets).toMatchObject([
      { newNames: 0, failingNames: 5, recordsPerHour: 55 },
    ]);
    await world.clock.advance(2 * HOUR_MS);
    expect(world.keepAlive.status().targets).toMatchObject([{ recordsPerHour: 0 }]);
  });
});

describe("a pass over all names", () => {
  test("R15: puts every name once to every target, also those that are not due, by a cursor, and says how far it is", async () => {
    const world = createWorld();
    const dhts = [createDht(world, "a"), createDht(world, "b")];
    await world.begin(dhts);
    await world.put(await world.makeRecords(500));
    await world.clock.advance(HOUR_MS);
    for (const dht of dhts) dht.latencyMs = 10 * SECOND_MS;
    const { id, state } = await world.keepAlive.reannounce();
    expect(state).toBe("running");
    await world.clock.advance(30 * SECOND_MS);
    expect((await world.keepAlive.reannounce()).id).toBe(id);
    const during = world.keepAlive.operation(id)?.progress.targets["a"];
    expect(during?.confirmed).toBeGreaterThan(10);
    expect(during?.confirmed).toBeLessThan(300);
    await world.clock.advance(HOUR_MS);
    expect(world.keepAlive.operation(id)).toMatchObject({
      state: "done",
      progress: { names: 500, targets: { a: { confirmed: 500, failed: 0 }, b: { confirmed: 500 } } },
    });
    for (const dht of dhts) expect(new Set(dht.puts.slice(500).map(({ name }) => name.text)).size).toBe(500);
    for (const dht of dhts) expect(dht.puts).toHaveLength(1_000);
    expect(world.metrics.propagation).toMatchObject({ reannouncements: 1, reannounced: 1_000 });
    expect((await world.keepAlive.reannounce()).id).not.toBe(id);
  });

  test("it can be cancelled, is known after a restart, and a name that was confirmed since it began is not put again", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    const records = await world.makeRecords(300);
    await world.put(records.slice(0, 200));
    await world.clock.advance(HOUR_MS);
    dht.latencyMs = 10 * SECOND_MS;
    const { id } = await world.keepAlive.reannounce();
    await world.put(records.slice(200));
    await world.clock.advance(20 * SECOND_MS);
    const cancelled = await world.keepAlive.cancelOperation(id);
    expect(cancelled?.state).toBe("cancelled");
    await world.clock.advance(HOUR_MS);
    const putCount = dht.puts.length;
    expect(putCount).toBeGreaterThan(300);
    expect(putCount).toBeLessThan(450);
    await world.clock.advance(HOUR_MS);
    expect(dht.puts).toHaveLength(putCount);
    await world.end();
    await world.begin([dht]);
    expect(world.keepAlive.operation(id)?.state).toBe("cancelled");
    expect(world.keepAlive.operation("other")).toBeUndefined();
    expect(await world.keepAlive.cancelOperation("other")).toBeUndefined();
  });

  test("INV-12: a kill in its middle ends nothing: it goes on where it was, and repeats only what was not written yet", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    await world.put(await world.makeRecords(500));
    await world.clock.advance(HOUR_MS);
    dht.latencyMs = 5 * SECOND_MS;
    dht.puts.length = 0;
    const { id } = await world.keepAlive.reannounce();
    await world.clock.advance(60 * SECOND_MS);
    const before = dht.puts.length;
    expect(before).toBeGreaterThan(100);
    expect(before).toBeLessThan(450);
    await world.kill();
    await world.begin([dht]);
    await world.clock.advance(HOUR_MS);
    expect(world.keepAlive.operation(id)).toMatchObject({ state: "done" });
    expect(new Set(dht.puts.map(({ name }) => name.text)).size).toBe(500);
    expect(dht.puts.length).toBeLessThanOrEqual(500 + 64 + 64);
  });

  test("without targets it is over at once, and while a target is away it waits for it", async () => {
    const world = createWorld();
    await world.begin([]);
    expect((await world.keepAlive.reannounce()).state).toBe("done");
    await world.end();
    const dht = createDht(world);
    await world.begin([dht]);
    await world.put(await world.makeRecords(50));
    await world.clock.advance(60 * SECOND_MS);
    dht.isAway = true;
    const { id } = await world.keepAlive.reannounce();
    await world.clock.advance(600 * SECOND_MS);
    expect(world.keepAlive.operation(id)).toMatchObject({ state: "running" });
    dht.isAway = false;
    await world.clock.advance(60 * SECOND_MS);
    expect(world.keepAlive.operation(id)).toMatchObject({
      state: "done",
      progress: { targets: { dht: { confirmed: 50, failed: 0 } } },
    });
  });

  test("it has not begun, nor been cancelled, unless that is written", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht]);
    await world.put(await world.makeRecords(50));
    await world.clock.advance(HOUR_MS);
    using db = openBeside(world);
    const refuse = (): void =>
      db.exec("CREATE TRIGGER refuse BEFORE INSERT ON operations BEGIN SELECT RAISE(ABORT, 'refused'); END");
    refuse();
    const both = [world.keepAlive.reannounce(), world.keepAlive.reannounce()];
    for (const refused of await Promise.allSettled(both)) {
      expect(refused).toMatchObject({ status: "rejected", reason: { code: "STORE_FAILED" } });
    }
    await world.clock.advance(HOUR_MS);
    expect(dht.puts).toHaveLength(50);

    db.exec("DROP TRIGGER refuse");
    dht.latencyMs = 10 * SECOND_MS;
    const { id } = await world.keepAlive.reannounce();
    refuse();
    await expect(world.keepAlive.cancelOperation(id)).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(world.keepAlive.operation(id)?.state).toBe("running");
    db.exec("DROP TRIGGER refuse");
    expect((await world.keepAlive.cancelOperation(id))?.state).toBe("cancelled");
  });

  test("one starts by itself as often as configured, as likely as configured", async () => {
    const world = createWorld();
    const dht = createDht(world);
    await world.begin([dht], { reannounceEveryMs: HOUR_MS, reannounceProbability: 0.5 });
    await world.put(await world.makeRecords(3));
    await world.clock.advance(40.5 * HOUR_MS);
    expect(world.metrics.propagation.reannouncements).toBeGreaterThan(8);
    expect(world.metrics.propagation.reannouncements).toBeLessThan(32);
    expect(world.metrics.propagation.reannounced).toBe(3 * world.metrics.propagation.reannouncements);
  });
});

describe("arrival", () => {
  const signal = new AbortController().signal;

  test("says where a record has arrived, and waits for the first place", async () => {
    const world = createWorld();
    const [near, far] = [createDht(world, "near"), createDht(world, "far")];
    near.latencyMs = 5 * SECOND_MS;
    far.latencyMs = 20 * SECOND_MS;
    await world.begin([near, far]);
    const record = await world.makeRecord();
    await world.put([record]);
    const arrival = world.keepAlive.arrival(record.name, { waitMs: 30 * SECOND_MS, signal });
    await world.clock.advance(30 * SECOND_MS);
    expect(await arrival).toEqual({ reached: ["near"], missing: ["far"] });
    await world.clock.advance(30 * SECOND_MS);
    const later = world.keepAlive.arrival(record.name, { waitMs: 0, signal });
    expect(await later).toEqual({ reached: ["near", "far"], missing: [] });
  });

  test("INV-8: a confirmation of the record before it, whose put was under way, says nothing about where it is", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 10 * SECOND_MS;
    await world.begin([dht]);
    const key = createTestName();
    const records = await Promise.all([1n, 2n].map((sequence) => world.makeRecord({ key, sequence })));
    await world.put(records.slice(0, 1));
    await world.clock.advance(SECOND_MS);
    await world.put(records.slice(1));
    const heldThen: unknown[] = [];
    const arrival = world.keepAlive.arrival(key.name, { waitMs: 60 * SECOND_MS, signal }).then((reached) => {
      heldThen.push(dht.recordOf(key.name));
      return reached;
    });
    await world.clock.advance(60 * SECOND_MS);
    expect(await arrival).toEqual({ reached: ["dht"], missing: [] });
    expect(heldThen).toEqual([new Uint8Array(records[1]?.bytes ?? [])]);
  });

  test("gives up in time, and goes with its client", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.isAway = true;
    await world.begin([dht]);
    const record = await world.makeRecord();
    await world.put([record]);
    const arrival = world.keepAlive.arrival(record.name, { waitMs: 30 * SECOND_MS, signal });
    await world.clock.advance(30 * SECOND_MS);
    expect(await arrival).toEqual({ reached: [], missing: ["dht"] });
    const gone = new AbortController();
    const left = world.keepAlive.arrival(record.name, { waitMs: 30 * SECOND_MS, signal: gone.signal });
    gone.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
  });

  test("a record that is waited for goes before all others, also one that somebody else had put", async () => {
    const world = createWorld();
    const dht = createDht(world);
    dht.latencyMs = 10 * SECOND_MS;
    await world.begin([dht], { limitMax: 1, limitAtStart: 1 });
    await world.put(await world.makeRecords(50));
    await world.clock.advance(SECOND_MS);
    const learned = await world.makeRecord();
    await world.put([learned], "network");
    const arrival = world.keepAlive.arrival(learned.name, { waitMs: 30 * SECOND_MS, signal });
    await world.clock.advance(30 * SECOND_MS);
    expect(await arrival).toEqual({ reached: ["dht"], missing: [] });
    expect(dht.puts[1]?.name.text).toBe(learned.name.text);
  });
});
