import { decodeRecord, HoldfastError } from "@holdfast/core";
import { expect, test, vi } from "vitest";
import { createRecords } from "../../test/support/create-records.ts";
import { createTestName, makeRecord } from "../../test/support/records.ts";
import { ScriptedRouter } from "../../test/support/scripted-router.ts";
import type { StoredRecord } from "./record-store.ts";
import type { RecordStoredEvent } from "./records.ts";
import { until } from "../../test/support/until.ts";

const signal = new AbortController().signal;
const SECOND_NS = 1_000_000_000n;

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (err) {
    if (err instanceof HoldfastError) return err.code;
    throw err;
  }
  return "no error";
};

test("R5: a published record is what the very next read gives", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  const record = await makeRecord(key, { sequence: 7n });
  expect(await records.publish(key.name, record, { origin: "client" })).toMatchObject({ outcome: "stored" });
  expect(records.peek(key.name)?.record.bytes).toEqual(record);
  expect((await records.resolve(key.name, { signal })).answeredFrom).toBe("store");
});

test("R1: a record signed by somebody else is refused, however high its sequence", async () => {
  const { records, metrics } = createRecords([]);
  const [owner, thief] = [createTestName(), createTestName()];
  await records.publish(owner.name, await makeRecord(owner, { sequence: 1n }), { origin: "client" });
  const forged = await makeRecord(
    { ...owner, sign: (message) => thief.sign(message) },
    { sequence: 2n ** 62n },
  );
  expect(await codeOf(records.publish(owner.name, forged, { origin: "client" }))).toBe("RECORD_INVALID");
  expect(await codeOf(records.publish(owner.name, await makeRecord(thief), { origin: "client" }))).toBe(
    "RECORD_INVALID",
  );
  expect(records.peek(owner.name)?.record.sequence).toBe(1n);
  expect(metrics.records.rejected).toBe(2);
});

test("R2: a first record with sequence 0 is stored", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  const result = await records.publish(key.name, await makeRecord(key, { sequence: 0n }), {
    origin: "client",
  });
  expect(result.outcome).toBe("stored");
});

test("R3: the same sequence with a later EOL replaces, with an earlier one it is superseded", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  const eolMs = Date.now() + 3_600_000;
  const put = async (eolAtMs: number) =>
    (await records.publish(key.name, await makeRecord(key, { eolMs: eolAtMs }), { origin: "client" }))
      .outcome;
  expect(await put(eolMs)).toBe("stored");
  expect(await put(eolMs + 1)).toBe("stored");
  expect(await put(eolMs)).toBe("superseded");
});

test("R4: a superseded put says so and gives the record that stands", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  await records.publish(key.name, await makeRecord(key, { sequence: 9n }), { origin: "client" });
  const result = await records.publish(key.name, await makeRecord(key, { sequence: 8n }), {
    origin: "client",
  });
  expect(result.outcome).toBe("superseded");
  expect(result.current.record.sequence).toBe(9n);
});

test("R6: a jump of any size is taken", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  for (const sequence of [0n, 1_000_000n, 2n ** 63n - 1n]) {
    const result = await records.publish(key.name, await makeRecord(key, { sequence }), { origin: "client" });
    expect(result.outcome).toBe("stored");
  }
});

test("putting the stored bytes again changes nothing, and does not make them look freshly confirmed", async () => {
  const { records, clock } = createRecords([]);
  const key = createTestName();
  const record = await makeRecord(key);
  await records.publish(key.name, record, { origin: "client" });
  await clock.advance(61_000);
  const again = await records.publish(key.name, record, { origin: "client" });
  expect(again.outcome).toBe("unchanged");
  expect(records.freshnessOf(again.current)).toBe("stale");
});

test("R10: listeners hear each stored change once, and nothing that was refused or changed nothing", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  const heard: bigint[] = [];
  records.onStored((event: RecordStoredEvent) => heard.push(event.current.record.sequence));
  const first = await makeRecord(key, { sequence: 1n });
  await records.publish(key.name, first, { origin: "client" });
  await records.publish(key.name, first, { origin: "client" });
  await records.publish(key.name, await makeRecord(key, { sequence: 0n }), { origin: "client" });
  await codeOf(records.publish(key.name, new Uint8Array([1, 2, 3]), { origin: "client" }));
  await records.publish(key.name, await makeRecord(key, { sequence: 2n }), { origin: "client" });
  expect(heard).toEqual([1n, 2n]);
});

test("a listener that fails neither refuses the record nor silences the others", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  const heard = vi.fn<() => void>();
  records.onStored(() => {
    throw new Error("broken");
  });
  records.onStored(heard);
  const result = await records.publish(key.name, await makeRecord(key), { origin: "client" });
  expect(result.outcome).toBe("stored");
  expect(heard).toHaveBeenCalledOnce();
});

test("R11, P3: stale reads are answered at once and share one refresh, which moves checkedAtMs though nothing is newer", async () => {
  const router = new ScriptedRouter();
  const { records, clock, metrics } = createRecords([router]);
  const key = createTestName();
  const record = await makeRecord(key, { ttlNs: 10n * SECOND_NS, eolMs: clock.nowMs() + 86_400_000 });
  router.records.set(key.name.text, [record]);
  await records.publish(key.name, record, { origin: "client" });
  const receivedAtMs = clock.nowMs();

  for (let round = 1; round <= 3; round++) {
    await clock.advance(10_001);
    for (let i = 0; i < 100; i++) expect(records.peek(key.name)?.record.bytes).toEqual(record);
    await clock.advance(1_000);
    expect(router.getCount).toBe(round);
    const held = records.held(key.name);
    expect(held?.receivedAtMs).toBe(receivedAtMs);
    expect(held?.checkedAtMs).toBeGreaterThan(receivedAtMs);
    // Fresh again: further reads ask nobody.
    for (let i = 0; i < 100; i++) records.peek(key.name);
    await clock.advance(1_000);
    expect(router.getCount).toBe(round);
  }
  expect(metrics.records.refreshes).toBe(3);
});

test("R11: no more than refreshesMax refreshes run at once, and more than the queue holds are dropped and counted", async () => {
  const router = new ScriptedRouter();
  router.manual = true;
  const { records, clock, metrics } = createRecords([router], {
    options: { refreshesMax: 2, refreshQueueMax: 5 },
  });
  const keys = Array.from({ length: 8 }, () => createTestName());
  for (const key of keys) await records.publish(key.name, await makeRecord(key), { origin: "client" });
  await clock.advance(61_000);
  for (const key of keys) records.peek(key.name);
  await clock.advance(1_000);
  expect(router.gets).toHaveLength(2);
  expect(metrics.records.refreshesDropped).toBe(3);
  router.gets[0]?.end();
  await until(() => expect(router.gets).toHaveLength(3));
});

test("a refresh that reaches nobody confirms nothing and is not tried again at every read", async () => {
  const router = new ScriptedRouter();
  router.unavailable = new HoldfastError("BACKEND_UNAVAILABLE", "down");
  const { records, clock } = createRecords([router]);
  const freshness = (stored: StoredRecord | undefined) => stored && records.freshnessOf(stored);
  const key = createTestName();
  await records.publish(key.name, await makeRecord(key), { origin: "client" });
  await clock.advance(61_000);
  for (let i = 0; i < 20; i++) {
    expect(records.peek(key.name)).toBeDefined();
    await clock.advance(200);
  }
  expect(router.getCount).toBe(1);
  expect(freshness(records.peek(key.name))).toBe("stale");
  router.unavailable = undefined;
  await clock.advance(6_000);
  records.peek(key.name);
  await clock.advance(1_000);
  expect(freshness(records.held(key.name))).toBe("fresh");
});

test("R12: a cold miss is one lookup however many ask, then a negative answer without any, until a put", async () => {
  const router = new ScriptedRouter();
  router.manual = true;
  const { records, clock, metrics } = createRecords([router]);
  const key = createTestName();
  const asked = Array.from({ length: 20 }, () => codeOf(records.resolve(key.name, { signal })));
  await until(() => expect(router.gets).toHaveLength(1));
  router.gets[0]?.end();
  expect(new Set(await Promise.all(asked))).toEqual(new Set(["RECORD_NOT_FOUND"]));
  expect(await codeOf(records.resolve(key.name, { signal }))).toBe("RECORD_NOT_FOUND");
  expect(router.getCount).toBe(1);
  expect(metrics.records.negativeHits).toBe(1);
  expect(records.isKnownAbsent(key.name)).toBe(true);

  await records.publish(key.name, await makeRecord(key), { origin: "client" });
  expect(records.isKnownAbsent(key.name)).toBe(false);
  expect((await records.resolve(key.name, { signal })).answeredFrom).toBe("store");

  const other = createTestName();
  const miss = codeOf(records.resolve(other.name, { signal }));
  await until(() => expect(router.gets).toHaveLength(2));
  router.gets[1]?.end();
  await miss;
  await clock.advance(15_001);
  expect(records.isKnownAbsent(other.name)).toBe(false);
});

test("a network that could not be asked is no reason to remember a name as absent", async () => {
  const router = new ScriptedRouter();
  router.unavailable = new HoldfastError("BACKEND_UNAVAILABLE", "down");
  const { records } = createRecords([router]);
  const key = createTestName();
  expect(await codeOf(records.resolve(key.name, { signal }))).toBe("RECORD_NOT_FOUND");
  expect(records.isKnownAbsent(key.name)).toBe(false);
});

test("R12: a name that nobody knows is answered within the first-answer budget, and an answer that comes later is kept", async () => {
  const router = new ScriptedRouter();
  router.manual = true;
  const { records, clock } = createRecords([router]);
  const key = createTestName();
  const asked = codeOf(records.resolve(key.name, { signal }));
  await clock.advance(4_999);
  expect(await Promise.race([asked, Promise.resolve("waiting")])).toBe("waiting");
  await clock.advance(2);
  expect(await asked).toBe("RECORD_NOT_FOUND");
  router.gets[0]?.answer(await makeRecord(key));
  await until(() => expect(records.held(key.name)).toBeDefined());
  await clock.advance(6_000);
  expect(router.gets[0]?.signal.aborted).toBe(true);
});

test("P1: the first valid answer is given at once, a better one within the budget replaces it and is announced", async () => {
  const router = new ScriptedRouter();
  router.manual = true;
  const { records } = createRecords([router]);
  const key = createTestName();
  const heard: bigint[] = [];
  records.onStored((event) => heard.push(event.current.record.sequence));
  const resolving = records.resolve(key.name, { signal });
  await until(() => expect(router.gets).toHaveLength(1));
  const [lookup] = router.gets;
  lookup?.answer(new Uint8Array([0xff]));
  lookup?.answer(await makeRecord(createTestName(), { sequence: 99n }));
  lookup?.answer(await makeRecord(key, { sequence: 3n }));
  const resolution = await resolving;
  expect(resolution).toMatchObject({ answeredFrom: "network", upstream: "confirmed" });
  expect(resolution.stored.record.sequence).toBe(3n);
  lookup?.answer(await makeRecord(key, { sequence: 5n }));
  lookup?.answer(await makeRecord(key, { sequence: 4n }));
  lookup?.end();
  await until(() => expect(heard).toEqual([3n, 5n]));
  expect(records.peek(key.name)?.record.sequence).toBe(5n);
});

test("P1: of several routers the best answer wins, and one that fails harms nobody", async () => {
  const routers = [new ScriptedRouter("a"), new ScriptedRouter("b"), new ScriptedRouter("c")] as const;
  const { records, clock } = createRecords(routers);
  const key = createTestName();
  routers[0].records.set(key.name.text, [await makeRecord(key, { sequence: 1n })]);
  routers[1].records.set(key.name.text, [await makeRecord(key, { sequence: 2n })]);
  routers[2].unavailable = new Error("refused");
  await records.resolve(key.name, { signal });
  await clock.advance(0);
  expect(records.peek(key.name)?.record.sequence).toBe(2n);
});

test("R13, gotcha 5: a record is given up to its EOL and not a millisecond longer, from memory, the store or the network", async () => {
  const router = new ScriptedRouter();
  const { records, clock, store } = createRecords([router]);
  const key = createTestName();
  const eolMs = clock.nowMs() + 30_000;
  const record = await makeRecord(key, { eolMs });
  router.records.set(key.name.text, [record]);
  await records.publish(key.name, record, { origin: "client" });
  await clock.advance(30_000);
  expect(records.peek(key.name)).toBeDefined();
  await clock.advance(1);
  expect(records.peek(key.name)).toBeUndefined();
  expect(store.get(key.name)).toBeDefined();
  expect(await codeOf(records.resolve(key.name, { signal }))).toBe("RECORD_NOT_FOUND");
  expect(await codeOf(records.publish(key.name, record, { origin: "client" }))).toBe("RECORD_INVALID");
});

test("R13: once a record has expired, any record that has not may take its place, as in a node that never held it", async () => {
  const { records, clock } = createRecords([]);
  const key = createTestName();
  const brief = await makeRecord(key, { sequence: 10n, eolMs: clock.nowMs() + 1_000 });
  const lasting = await makeRecord(key, { sequence: 9n, eolMs: clock.nowMs() + 86_400_000 });
  await records.publish(key.name, brief, { origin: "client" });
  expect((await records.publish(key.name, lasting, { origin: "client" })).outcome).toBe("superseded");
  await clock.advance(1_001);
  expect((await records.publish(key.name, lasting, { origin: "client" })).outcome).toBe("stored");
  expect(records.peek(key.name)?.record.sequence).toBe(9n);
});

test("asking first gives what the network holds now, and says when it stayed silent", async () => {
  const router = new ScriptedRouter();
  const { records, clock } = createRecords([router]);
  const key = createTestName();
  await records.publish(key.name, await makeRecord(key, { sequence: 1n }), { origin: "client" });
  router.records.set(key.name.text, [await makeRecord(key, { sequence: 2n })]);
  const asked = await records.resolve(key.name, { signal, ask: "first" });
  expect(asked).toMatchObject({ answeredFrom: "network", upstream: "confirmed" });
  expect(asked.stored.record.sequence).toBe(2n);

  router.unavailable = new HoldfastError("BACKEND_UNAVAILABLE", "down");
  expect(await records.resolve(key.name, { signal, ask: "first" })).toMatchObject({
    answeredFrom: "store",
    upstream: "failed",
  });

  router.unavailable = undefined;
  router.manual = true;
  const slow = records.resolve(key.name, { signal, ask: "first" });
  await until(() => expect(router.gets).toHaveLength(1));
  await clock.advance(3_000);
  expect(await slow).toMatchObject({ answeredFrom: "store", upstream: "over-budget" });
});

test("a read that may ask nobody gives what is held, stale or not, and no refresh runs behind it", async () => {
  const router = new ScriptedRouter();
  const { records, clock } = createRecords([router]);
  const key = createTestName();
  expect(await codeOf(records.resolve(key.name, { signal, ask: "never" }))).toBe("RECORD_NOT_FOUND");
  await records.publish(key.name, await makeRecord(key), { origin: "client" });
  await clock.advance(61_000);
  expect(await records.resolve(key.name, { signal, ask: "never" })).toMatchObject({ freshness: "stale" });
  await clock.advance(1_000);
  expect(router.getCount).toBe(0);
});

test("asking first while a lookup is under way waits for one that began after the question", async () => {
  const router = new ScriptedRouter();
  router.manual = true;
  const { records, clock } = createRecords([router]);
  const key = createTestName();
  await records.publish(key.name, await makeRecord(key, { sequence: 1n }), { origin: "client" });
  await clock.advance(61_000);
  records.peek(key.name);
  await clock.advance(1_000);
  expect(router.gets).toHaveLength(1);
  const asked = [1, 2, 3].map(() => records.resolve(key.name, { signal, ask: "first" }));
  router.gets[0]?.answer(await makeRecord(key, { sequence: 1n }));
  router.gets[0]?.end();
  await until(() => expect(router.gets).toHaveLength(2));
  router.gets[1]?.answer(await makeRecord(key, { sequence: 2n }));
  router.gets[1]?.end();
  for (const resolution of await Promise.all(asked)) expect(resolution.stored.record.sequence).toBe(2n);
  expect(router.getCount).toBe(2);
});

test("over the cap on lookups a cold name is refused as overloaded, a held one is still answered", async () => {
  const router = new ScriptedRouter();
  router.manual = true;
  const { records } = createRecords([router], { options: { lookupsMax: 1 } });
  const [held, first, second] = [createTestName(), createTestName(), createTestName()];
  await records.publish(held.name, await makeRecord(held), { origin: "client" });
  void records.resolve(first.name, { signal }).catch(() => undefined);
  expect(await codeOf(records.resolve(second.name, { signal }))).toBe("OVERLOADED");
  expect(await records.resolve(held.name, { signal, ask: "first" })).toMatchObject({ upstream: "failed" });
  await records.close();
});

test("a caller that goes away ends its own wait, not the shared lookup", async () => {
  const router = new ScriptedRouter();
  router.manual = true;
  const { records } = createRecords([router]);
  const key = createTestName();
  const leaving = new AbortController();
  const left = records.resolve(key.name, { signal: leaving.signal });
  const staying = records.resolve(key.name, { signal });
  leaving.abort(new Error("client went away"));
  await expect(left).rejects.toThrow("client went away");
  router.gets[0]?.answer(await makeRecord(key));
  expect((await staying).stored.record.sequence).toBe(1n);
});

test("200 concurrent puts of shuffled sequences end at the highest, and every answer is true", async () => {
  const { records } = createRecords([]);
  const key = createTestName();
  const all = await Promise.all(
    Array.from({ length: 200 }, (_, i) => makeRecord(key, { sequence: BigInt(i) })),
  );
  const shuffled = all.map((bytes, i) => ({ bytes, at: (i * 7919) % 200 })).sort((a, b) => a.at - b.at);
  const answers = await Promise.all(
    shuffled.map(async ({ bytes }) => {
      const { sequence } = decodeRecord(bytes);
      const { outcome, current } = await records.publish(key.name, bytes, { origin: "client" });
      return {
        sequence,
        outcome,
        said: current.record.sequence,
        seen: records.peek(key.name)?.record.sequence,
      };
    }),
  );
  for (const { sequence, outcome, said, seen } of answers) {
    expect(outcome).toBe(said > sequence ? "superseded" : "stored");
    expect(seen).toBeGreaterThanOrEqual(sequence);
  }
  expect(records.peek(key.name)?.record.sequence).toBe(199n);
});
