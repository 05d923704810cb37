import { HoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createRecords } from "../../../test/support/create-records.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { createTestName, makeRecord, type RecordFacts, type TestKey } from "../../../test/support/records.ts";
import { ScriptedRouter } from "../../../test/support/scripted-router.ts";
import { MemoryAnomalyStore } from "../../adapters/memory/anomaly-store.ts";
import { verifySignature } from "../../adapters/crypto/verify-signature.ts";
import type { Anomaly, AnomalyNote, AnomalyStore } from "./anomaly-store.ts";
import type { RecordOrigin } from "../record-store.ts";
import type { Records } from "../records.ts";
import { until } from "../../../test/support/until.ts";

const signal = new AbortController().signal;
const OTHER_VALUE = "/ipfs/bafkqaaa";

/** Counts what reaches the disk. */
class CountingStore implements AnomalyStore {
  readonly store = new MemoryAnomalyStore();
  readonly batches: (readonly AnomalyNote[])[] = [];
  failing = false;

  async add(notes: readonly AnomalyNote[]): Promise<void> {
    this.batches.push(notes);
    if (this.failing) throw new HoldfastError("STORE_FAILED", "full");
    await this.store.add(notes);
  }

  of(name: AnomalyNote["name"]): readonly Anomaly[] {
    return this.store.of(name);
  }
}

function createWatched(routers: readonly ScriptedRouter[] = []) {
  const anomalyStore = new CountingStore();
  let checks = 0;
  const counted: typeof verifySignature = (...check) => {
    checks++;
    return verifySignature(...check);
  };
  const room = createRecords(routers, { parts: { anomalyStore, verifySignature: counted } });
  return { ...room, anomalyStore, checks: () => checks };
}

async function put(
  records: Records,
  key: TestKey,
  facts: RecordFacts | Uint8Array,
  origin: RecordOrigin = "client",
): Promise<string> {
  const bytes = facts instanceof Uint8Array ? facts : await makeRecord(key, facts);
  try {
    return (await records.publish(key.name, bytes, { origin })).outcome;
  } catch (err) {
    return err instanceof HoldfastError ? err.code : "bug";
  }
}

async function forge(owner: TestKey, facts: RecordFacts): Promise<Uint8Array> {
  const thief = createTestName();
  return makeRecord({ ...owner, sign: (message) => thief.sign(message) }, facts);
}

const kindsOf = (anomalies: readonly Anomaly[]): string[] => anomalies.map(({ kind }) => kind);

test("R3: what owners do every day is nothing odd: first puts, steps of one, republishing, retries, old republished copies", async () => {
  const { records } = createWatched();
  const key = createTestName();
  const eolMs = Date.now() + 3_600_000;
  const first = await makeRecord(key, { sequence: 5_000n, eolMs });
  await put(records, key, first);
  await put(records, key, first);
  await put(records, key, { sequence: 5_000n, eolMs: eolMs + 1 });
  await put(records, key, first);
  await put(records, key, { sequence: 5_001n, value: OTHER_VALUE });
  await put(records, key, { sequence: 6_001n });
  expect(await records.anomaliesOf(key.name)).toEqual([]);
});

test("R6: a leap of the sequence is taken, and noted when it is more than a thousand", async () => {
  const { records, clock } = createWatched();
  const key = createTestName();
  await put(records, key, { sequence: 1n });
  expect(await put(records, key, { sequence: 1_001n })).toBe("stored");
  expect(await records.anomaliesOf(key.name)).toEqual([]);
  expect(await put(records, key, { sequence: 2n ** 63n - 1n })).toBe("stored");
  expect(await records.anomaliesOf(key.name)).toMatchObject([
    {
      kind: "jump",
      firstSeenMs: clock.nowMs(),
      counts: { client: 1, network: 0, "peer-push": 0 },
      sample: { sequence: 2n ** 63n - 1n, storedSequence: 1_001n, via: "client" },
    },
  ]);
});

test("R4: a genuine record with a lower sequence loses as ever, and is a rollback attempt", async () => {
  const { records, metrics } = createWatched();
  const key = createTestName();
  await put(records, key, { sequence: 9n });
  const old = await makeRecord(key, { sequence: 8n });
  expect(await put(records, key, old)).toBe("superseded");
  await until(() => expect(metrics.anomalies.rollbacks).toBe(1));
  expect(await put(records, key, old)).toBe("superseded");
  expect(await records.anomaliesOf(key.name)).toMatchObject([
    { kind: "rollback", counts: { client: 2 }, sample: { sequence: 8n, storedSequence: 9n } },
  ]);
  expect(records.held(key.name)?.record.sequence).toBe(9n);
});

test("R13: a lower sequence that takes the place of an expired record is a rollback, too", async () => {
  const { records, clock } = createWatched();
  const key = createTestName();
  await put(records, key, { sequence: 9n, eolMs: clock.nowMs() + 1_000 });
  await clock.advance(2_000);
  expect(await put(records, key, { sequence: 8n })).toBe("stored");
  expect(kindsOf(await records.anomaliesOf(key.name))).toEqual(["rollback"]);
});

test("two genuine values with one sequence are an equivocation, whichever of them wins", async () => {
  for (const eolOffsetMs of [-1, 1]) {
    const { records, metrics } = createWatched();
    const key = createTestName();
    const eolMs = Date.now() + 3_600_000;
    await put(records, key, { sequence: 5n, eolMs });
    const other = { sequence: 5n, eolMs: eolMs + eolOffsetMs, value: OTHER_VALUE };
    expect(await put(records, key, other)).toBe(eolOffsetMs > 0 ? "stored" : "superseded");
    await until(() => expect(metrics.anomalies.equivocations).toBe(1));
    expect(await records.anomaliesOf(key.name)).toMatchObject([
      { kind: "equivocation", counts: { client: 1 }, sample: { sequence: 5n, storedSequence: 5n } },
    ]);
  }
});

test("R1: forged records are counted at their name, whether they would win or lose", async () => {
  const { records, metrics, clock } = createWatched();
  const key = createTestName();
  await put(records, key, { sequence: 5n });
  expect(await put(records, key, await forge(key, { sequence: 2n ** 62n }))).toBe("RECORD_INVALID");
  expect(await put(records, key, await forge(key, { sequence: 4n }))).toBe("superseded");
  await until(() => expect(metrics.anomalies.forged).toBe(2));
  await clock.advance(1_000);
  expect(
    await put(
      records,
      key,
      await forge(key, { sequence: 5n, value: OTHER_VALUE, eolMs: clock.nowMs() + 60_000 }),
    ),
  ).toBe("superseded");
  await until(() => expect(metrics.anomalies.forged).toBe(3));
  expect(await records.anomaliesOf(key.name)).toMatchObject([{ kind: "forged", counts: { client: 3 } }]);
  expect(records.held(key.name)?.record.sequence).toBe(5n);
});

test("R8: a record whose unsigned sequence was raised is noted by what is signed, if at all", async () => {
  const { records } = createWatched();
  const key = createTestName();
  await put(records, key, { sequence: 5n });
  const bytes = await makeRecord(key, { sequence: 6n });
  const raised = Uint8Array.from(bytes);
  // The sequence stands behind the validity, which ends with a "Z". Its own two bytes may be found in a signature, too.
  const at = Buffer.from(bytes).indexOf(Buffer.from([0x5a, 0x28, 6, 0x30])) + 2;
  expect(raised[at]).toBe(6);
  raised[at] = 99;
  expect(await put(records, key, raised)).toBe("RECORD_INVALID");
  expect(await records.anomaliesOf(key.name)).toEqual([]);
});

test("R13: a genuine record past its EOL that is put again is noted, a forged one is counted as forged", async () => {
  const { records, metrics, clock } = createWatched();
  const key = createTestName();
  const expired = { sequence: 6n, eolMs: clock.nowMs() - 1 };
  await put(records, key, { sequence: 5n });
  expect(await put(records, key, expired)).toBe("RECORD_INVALID");
  await until(() => expect(metrics.anomalies.expired).toBe(1));
  await clock.advance(1_000);
  expect(await put(records, key, await forge(key, expired))).toBe("RECORD_INVALID");
  await until(() => expect(metrics.anomalies.forged).toBe(1));
  expect(kindsOf(await records.anomaliesOf(key.name))).toEqual(["expired", "forged"]);
});

test("records of names that have none here are not noted: anybody can make up names", async () => {
  const { records, metrics } = createWatched();
  const key = createTestName();
  await put(records, key, await forge(key, { sequence: 5n }));
  await put(records, key, { sequence: 1n, eolMs: 1_000 });
  expect(await records.anomaliesOf(key.name)).toEqual([]);
  expect(metrics.anomalies.forged).toBe(0);
});

test("a router that answers with a predecessor is named, and counts once an hour: peers keep those for days", async () => {
  const router = new ScriptedRouter("someguy");
  const { records, clock, metrics } = createWatched([router]);
  const key = createTestName();
  await put(records, key, { sequence: 9n });
  router.records.set(key.name.text, [await makeRecord(key, { sequence: 8n })]);
  const ask = () => records.resolve(key.name, { signal, ask: "first" });
  for (let i = 0; i < 3; i++) {
    await ask();
    await until(() => expect(metrics.anomalies.rollbacks).toBe(1));
  }
  expect(await records.anomaliesOf(key.name)).toMatchObject([
    { kind: "rollback", counts: { client: 0, network: 1 }, sample: { via: "someguy" } },
  ]);
  await clock.advance(3_600_000);
  await ask();
  expect((await records.anomaliesOf(key.name))[0]?.counts.network).toBe(2);
});

test("what a second saw is one write, and a read sees it before that", async () => {
  const { records, clock, anomalyStore } = createWatched();
  const keys = Array.from({ length: 20 }, () => createTestName());
  for (const key of keys) await put(records, key, { sequence: 1n });
  for (const sequence of [10_000n, 20_000n]) for (const key of keys) await put(records, key, { sequence });
  expect(anomalyStore.batches).toHaveLength(0);
  const [key] = keys;
  if (key === undefined) throw new Error("no key");
  expect((await records.anomaliesOf(key.name))[0]?.counts.client).toBe(2);
  await clock.advance(1_000);
  expect(anomalyStore.batches.map((batch) => batch.length)).toEqual([20]);
  await put(records, key, { sequence: 30_000n });
  expect((await records.anomaliesOf(key.name))[0]?.counts.client).toBe(3);
  await records.close();
  expect(anomalyStore.batches.map((batch) => batch.length)).toEqual([20, 1]);
  expect(anomalyStore.of(key.name)[0]?.counts.client).toBe(3);
});

test("a flood of forged records for one name is one note and no more signature checks than records that could win", async () => {
  const { records, clock, metrics, anomalyStore, checks } = createWatched();
  const key = createTestName();
  await put(records, key, { sequence: 5n });
  const before = checks();
  for (let i = 0; i < 300; i++) await put(records, key, await forge(key, { sequence: BigInt(i % 5) }));
  // All in the same instant: one was checked to know what they are.
  expect(checks() - before).toBe(1);
  expect(metrics.anomalies.unchecked).toBe(299);
  for (let i = 0; i < 300; i++) await put(records, key, await forge(key, { sequence: BigInt(100 + i) }));
  await clock.advance(1_000);
  expect(anomalyStore.batches.map((batch) => batch.length)).toEqual([1]);
  expect(anomalyStore.of(key.name)).toMatchObject([{ kind: "forged", counts: { client: 301 } }]);
});

test("names and kinds beyond the bound of what waits to be written are dropped and counted", async () => {
  const { records, metrics, clock, anomalyStore } = createWatched();
  const keys = Array.from({ length: 110 }, () => createTestName());
  for (const key of keys) await put(records, key, { sequence: 1n });
  for (const key of keys) await put(records, key, { sequence: 10_000n });
  expect(metrics.anomalies).toMatchObject({ jumps: 110, dropped: 10 });
  await clock.advance(1_000);
  expect(anomalyStore.batches.map((batch) => batch.length)).toEqual([100]);
});

test("a disk that refuses them costs the notes and nothing else", async () => {
  const { records, metrics, clock, anomalyStore } = createWatched();
  const key = createTestName();
  await put(records, key, { sequence: 1n });
  anomalyStore.failing = true;
  await put(records, key, { sequence: 10_000n });
  await clock.advance(1_000);
  await until(() => expect(metrics.anomalies.dropped).toBe(1));
  expect(await put(records, key, { sequence: 20_000n })).toBe("stored");
  anomalyStore.failing = false;
  await clock.advance(1_000);
  expect((await records.anomaliesOf(key.name))[0]?.counts.client).toBe(1);
});

test(
  "R6: whether somebody looks for what is odd never changes which record wins, nor any answer",
  { timeout: 60_000 },
  async () => {
    const nowMs = Date.now();
    const keys = [createTestName(), createTestName()];
    const step = fc.record({
      name: fc.nat({ max: 1 }),
      sequence: fc.oneof(fc.bigInt({ min: 0n, max: 4n }), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
      eolMs: fc.integer({ min: -2, max: 4 }).map((seconds) => nowMs + seconds * 10_000),
      value: fc.constantFrom(
        OTHER_VALUE,
        "/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
      ),
      isForged: fc.boolean(),
      origin: fc.constantFrom<RecordOrigin>("client", "network", "peer-push"),
      waitMs: fc.constantFrom(0, 0, 0, 5_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const outcomes: string[][] = [];
        const records = await Promise.all(
          steps.map(({ name, isForged, ...facts }) => {
            const key = keys[name];
            if (key === undefined) throw new Error("no key");
            return isForged ? forge(key, facts) : makeRecord(key, facts);
          }),
        );
        for (const anomalyStore of [undefined, new MemoryAnomalyStore({ anomaliesMax: 3 })]) {
          // Both see every record at the same instant, however long the test has taken so far.
          const clock = new ManualClock(nowMs);
          const parts = { clock, timers: clock, ...(anomalyStore && { anomalyStore }) };
          const room = createRecords([], { parts });
          const seen: string[] = [];
          for (const [i, { name, origin, waitMs }] of steps.entries()) {
            const [key, bytes] = [keys[name], records[i]];
            if (key === undefined || bytes === undefined) throw new Error("no key");
            seen.push(await put(room.records, key, bytes, origin));
            await clock.advance(waitMs);
            for (const { name: each } of keys) {
              seen.push(Buffer.from(room.records.held(each)?.record.bytes ?? []).toString("base64"));
              seen.push(String(room.records.history(each).length));
            }
          }
          await room.records.close();
          outcomes.push(seen);
        }
        expect(outcomes[1]).toEqual(outcomes[0]);
      }),
      { numRuns: 60, seed: 6 },
    );
  },
);
