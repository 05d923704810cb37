import type { ValidatedRecord } from "@holdfast/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { HISTORY_RECORDS_MAX, type PutResult, type RecordStore } from "../../src/records/record-store.ts";
import { createTestName, makeValidatedRecord } from "../support/records.ts";
import { describeCompareAndSwap } from "./record-store-cas.contract.ts";
import { CLIENT_AT_1000, expectRecord, type OpenedStore } from "./record-store-facts.ts";

/** What every `RecordStore` does. `open` gives an empty store; each test disposes of its own. */
export function recordStoreContract(adapter: string, open: () => Promise<OpenedStore>): void {
  const openStore = async (): Promise<RecordStore> => (await openDisposed(open)).store;

  describe(`RecordStore contract: ${adapter}`, () => {
    describe("which record is kept", () => {
      test("a name that was never put has no record, no history and does not count", async () => {
        const store = await openStore();
        const { name } = createTestName();
        expect(store.get(name)).toBeUndefined();
        expect(store.history(name)).toEqual([]);
        expect(store.count()).toBe(0);
      });

      test("R2: a first record with sequence 0 is stored, because absence is not sequence 0", async () => {
        const store = await openStore();
        const record = await makeValidatedRecord(createTestName(), { sequence: 0n });
        const result = await store.put(record, CLIENT_AT_1000);
        expect(result.outcome).toBe("stored");
        expectRecord(store.get(record.name)?.record, record);
      });

      test("a higher sequence replaces, with an earlier EOL too", async () => {
        const store = await openStore();
        const key = createTestName();
        const eolMs = Date.now() + 3_600_000;
        await store.put(await makeValidatedRecord(key, { sequence: 5n, eolMs }), CLIENT_AT_1000);
        const newer = await makeValidatedRecord(key, { sequence: 6n, eolMs: eolMs - 60_000 });
        expect((await store.put(newer, CLIENT_AT_1000)).outcome).toBe("stored");
        expectRecord(store.get(key.name)?.record, newer);
      });

      test("R3: the same sequence with a later EOL replaces, as a republished record does", async () => {
        const store = await openStore();
        const key = createTestName();
        const eolMs = Date.now() + 3_600_000;
        await store.put(await makeValidatedRecord(key, { sequence: 5n, eolMs }), CLIENT_AT_1000);
        const renewed = await makeValidatedRecord(key, { sequence: 5n, eolMs: eolMs + 1 });
        expect((await store.put(renewed, CLIENT_AT_1000)).outcome).toBe("stored");
        expectRecord(store.get(key.name)?.record, renewed);
      });

      test("R13: a stored record that has expired gives way to any that has not", async () => {
        const store = await openStore();
        const key = createTestName();
        const nowMs = Date.now();
        const brief = await makeValidatedRecord(key, { sequence: 10n, eolMs: nowMs + 1_000 });
        const lasting = await makeValidatedRecord(key, { sequence: 9n, eolMs: nowMs + 86_400_000 });
        await store.put(brief, { origin: "client", receivedAtMs: nowMs });
        const atEol = await store.put(lasting, { origin: "client", receivedAtMs: nowMs + 1_000 });
        expect(atEol.outcome).toBe("superseded");
        const pastEol = await store.put(lasting, { origin: "client", receivedAtMs: nowMs + 1_001 });
        expect(pastEol.outcome).toBe("stored");
        expectRecord(store.get(key.name)?.record, lasting);
      });

      test("gotcha 4: records equal in sequence and EOL end at the same one in both orders", async () => {
        const key = createTestName();
        const eolMs = Date.now() + 3_600_000;
        const first = await makeValidatedRecord(key, { value: "/ipfs/bafkqaaa", eolMs });
        const second = await makeValidatedRecord(key, { eolMs });
        const winners: (Uint8Array | undefined)[] = [];
        for (const order of [
          [first, second],
          [second, first],
        ]) {
          const store = await openStore();
          for (const record of order) await store.put(record, CLIENT_AT_1000);
          winners.push(store.get(key.name)?.record.bytes);
        }
        expect(winners[0]).toEqual(winners[1]);
        const larger = Buffer.compare(first.bytes, second.bytes) > 0 ? first : second;
        expect(winners[0]).toEqual(new Uint8Array(larger.bytes));
      });

      test("gotcha 10: sequences beyond 2^53 are told apart", async () => {
        const store = await openStore();
        const key = createTestName();
        const lower = await makeValidatedRecord(key, { sequence: 9_007_199_254_740_992n });
        const higher = await makeValidatedRecord(key, { sequence: 9_007_199_254_740_993n });
        await store.put(higher, CLIENT_AT_1000);
        expect((await store.put(lower, CLIENT_AT_1000)).outcome).toBe("superseded");
        expect(store.get(key.name)?.record.sequence).toBe(9_007_199_254_740_993n);
      });

      test("a worse record is superseded: the answer is the stored one, which stays as it was", async () => {
        const store = await openStore();
        const key = createTestName();
        const better = await makeValidatedRecord(key, { sequence: 7n });
        await store.put(better, { origin: "network", receivedAtMs: 1000 });
        const result = await store.put(await makeValidatedRecord(key, { sequence: 6n }), {
          origin: "client",
          receivedAtMs: 2000,
        });
        expect(result.outcome).toBe("superseded");
        expectRecord(result.current.record, better);
        const facts = { origin: "network", receivedAtMs: 1000, checkedAtMs: 1000 };
        expect(result.current).toMatchObject(facts);
        expect(store.get(key.name)).toMatchObject(facts);
        expect(store.history(key.name)).toHaveLength(1);
      });

      test("names of all key types are kept apart", async () => {
        const store = await openStore();
        const records: ValidatedRecord[] = [];
        for (const type of ["Ed25519", "RSA", "Secp256k1", "ECDSA"] as const) {
          records.push(await makeValidatedRecord(createTestName(type)));
        }
        await Promise.all(records.map((record) => store.put(record, CLIENT_AT_1000)));
        for (const record of records) expectRecord(store.get(record.name)?.record, record);
        expect(store.count()).toBe(4);
      });
    });

    describeCompareAndSwap(openStore);

    describe("identical bytes and confirmations", () => {
      test("the same bytes again are unchanged, and are no confirmation", async () => {
        const store = await openStore();
        const record = await makeValidatedRecord(createTestName());
        await store.put(record, { origin: "network", receivedAtMs: 1000 });
        const result = await store.put(record, { origin: "client", receivedAtMs: 5000 });
        expect(result.outcome).toBe("unchanged");
        const expected = { origin: "network", receivedAtMs: 1000, checkedAtMs: 1000 };
        expect(result.current).toMatchObject(expected);
        expect(store.get(record.name)).toMatchObject(expected);
        expect(store.history(record.name)).toHaveLength(1);
      });

      test("R11: confirm moves checkedAtMs, seen by the next read, and never moves it back", async () => {
        const store = await openStore();
        const record = await makeValidatedRecord(createTestName());
        await store.put(record, CLIENT_AT_1000);
        store.confirm(record.name, 9000);
        expect(store.get(record.name)?.checkedAtMs).toBe(9000);
        store.confirm(record.name, 4000);
        expect(store.get(record.name)?.checkedAtMs).toBe(9000);
        const again = await store.put(record, { origin: "client", receivedAtMs: 5000 });
        expect(again.current.checkedAtMs).toBe(9000);
        expect(store.get(record.name)).toMatchObject({ receivedAtMs: 1000, checkedAtMs: 9000 });
      });

      test("P3: a better record does not move checkedAtMs back either", async () => {
        const store = await openStore();
        const key = createTestName();
        await store.put(await makeValidatedRecord(key, { sequence: 1n }), CLIENT_AT_1000);
        store.confirm(key.name, 9000);
        const result = await store.put(await makeValidatedRecord(key, { sequence: 2n }), {
          origin: "client",
          receivedAtMs: 8000,
        });
        expect(result.current).toMatchObject({ receivedAtMs: 8000, checkedAtMs: 9000 });
        expect(store.get(key.name)).toMatchObject({ receivedAtMs: 8000, checkedAtMs: 9000 });
      });

      test("a confirmation of an unknown name changes nothing, now or for a later put", async () => {
        const store = await openStore();
        const record = await makeValidatedRecord(createTestName());
        store.confirm(record.name, 9000);
        expect(store.get(record.name)).toBeUndefined();
        expect(store.count()).toBe(0);
        await store.put(record, CLIENT_AT_1000);
        expect(store.get(record.name)?.checkedAtMs).toBe(1000);
      });
    });

    describe("order and visibility", () => {
      test("R5: a read sees every put that has settled", async () => {
        const store = await openStore();
        const key = createTestName();
        for (let sequence = 0n; sequence < 50n; sequence++) {
          const record = await makeValidatedRecord(key, { sequence });
          await store.put(record, CLIENT_AT_1000);
          expect(store.get(key.name)?.record.sequence).toBe(sequence);
        }
      });

      test("puts settle in the order in which they were made", async () => {
        const store = await openStore();
        const keys = Array.from({ length: 20 }, () => createTestName());
        const records = await Promise.all(keys.map((key) => makeValidatedRecord(key)));
        const settled: number[] = [];
        await Promise.all(
          records.map((record, index) => store.put(record, CLIENT_AT_1000).then(() => settled.push(index))),
        );
        expect(settled).toEqual(records.map((_, index) => index));
      });

      test("gotcha 14: 200 concurrent puts of shuffled sequences for one name end at the highest, and every answer was true", async () => {
        const store = await openStore();
        const key = createTestName();
        const sequences = shuffled(Array.from({ length: 200 }, (_, index) => BigInt(index)));
        const records = await Promise.all(
          sequences.map((sequence) => makeValidatedRecord(key, { sequence })),
        );
        const results = await Promise.all(records.map((record) => store.put(record, CLIENT_AT_1000)));

        expect(store.get(key.name)?.record.sequence).toBe(199n);
        let best = -1n;
        for (const [index, result] of results.entries()) {
          const sequence = sequences[index] ?? -1n;
          expect(result.outcome).toBe(sequence > best ? "stored" : "superseded");
          best = sequence > best ? sequence : best;
          expect(result.current.record.sequence).toBe(best);
        }
        const rising = store.history(key.name).map(({ record }) => record.sequence);
        expect(rising).toEqual(storedSequences(results).slice(-HISTORY_RECORDS_MAX).toReversed());
        expect(store.count()).toBe(1);
      });
    });

    describe("history and count", () => {
      test("history has the records that were current, newest first, at most HISTORY_RECORDS_MAX", async () => {
        const store = await openStore();
        const key = createTestName();
        for (let sequence = 1; sequence <= HISTORY_RECORDS_MAX + 3; sequence++) {
          const record = await makeValidatedRecord(key, { sequence: BigInt(sequence) });
          await store.put(record, { origin: "peer-push", receivedAtMs: sequence * 1000 });
        }
        const history = store.history(key.name);
        expect(history).toHaveLength(HISTORY_RECORDS_MAX);
        const newest = HISTORY_RECORDS_MAX + 3;
        expect(history.map(({ record }) => record.sequence)).toEqual(
          Array.from({ length: HISTORY_RECORDS_MAX }, (_, index) => BigInt(newest - index)),
        );
        expect(history[9]).toMatchObject({ origin: "peer-push", receivedAtMs: (newest - 9) * 1000 });
      });

      test("the history of one name has nothing of another", async () => {
        const store = await openStore();
        const [one, other] = [createTestName(), createTestName()];
        for (const sequence of [1n, 2n, 3n]) {
          await store.put(await makeValidatedRecord(one, { sequence }), CLIENT_AT_1000);
        }
        await store.put(await makeValidatedRecord(other), CLIENT_AT_1000);
        expect(store.history(other.name)).toHaveLength(1);
        expect(store.history(one.name)).toHaveLength(3);
      });

      test("count is the number of names, however often each was put", async () => {
        const store = await openStore();
        const keys = Array.from({ length: 5 }, () => createTestName());
        for (const sequence of [2n, 1n, 3n]) {
          const records = await Promise.all(keys.map((key) => makeValidatedRecord(key, { sequence })));
          await Promise.all(records.map((record) => store.put(record, CLIENT_AT_1000)));
        }
        expect(store.count()).toBe(5);
      });
    });

    test("records, history, confirmations and count are as the store promises after a restart", async () => {
      const { store, reopen, survivesRestart } = await openDisposed(open);
      const key = createTestName();
      for (const sequence of [1n, 2n, 3n]) {
        await store.put(await makeValidatedRecord(key, { sequence }), CLIENT_AT_1000);
      }
      store.confirm(key.name, 7000);

      const reopened = await reopen();
      onTestFinished(() => reopened[Symbol.asyncDispose]());
      const { receivedAtMs, checkedAtMs } = reopened.get(key.name) ?? {};
      const sequences = reopened.history(key.name).map(({ record }) => record.sequence);
      expect({ receivedAtMs, checkedAtMs, sequences, count: reopened.count() }).toEqual(
        survivesRestart
          ? { receivedAtMs: 1000, checkedAtMs: 7000, sequences: [3n, 2n, 1n], count: 1 }
          : { receivedAtMs: undefined, checkedAtMs: undefined, sequences: [], count: 0 },
      );
    });
  });
}

async function openDisposed(open: () => Promise<OpenedStore>): Promise<OpenedStore> {
  const opened = await open();
  onTestFinished(() => opened.store[Symbol.asyncDispose]());
  return opened;
}

function storedSequences(results: readonly PutResult[]): bigint[] {
  return results.filter(({ outcome }) => outcome === "stored").map(({ current }) => current.record.sequence);
}

/** Fisher–Yates with a fixed seed, so that a failure repeats. */
function shuffled<T>(values: readonly T[]): T[] {
  const result = [...values];
  let state = 42;
  for (let index = result.length - 1; index > 0; index--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const other = state % (index + 1);
    const [a, b] = [result[index], result[other]] as [T, T];
    result[index] = b;
    result[other] = a;
  }
  return result;
}
