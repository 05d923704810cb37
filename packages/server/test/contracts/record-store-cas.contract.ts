import { describe, expect, test } from "vitest";
import type { RecordStore } from "../../src/records/record-store.ts";
import { createTestName, makeValidatedRecord } from "../support/records.ts";
import { CLIENT_AT_1000, expectRecord } from "./record-store-facts.ts";

/** Compare and swap, as every `RecordStore` does it: a part of `recordStoreContract`. */
export function describeCompareAndSwap(openStore: () => Promise<RecordStore>): void {
  describe("compare and swap", () => {
    test("a put that expects the stored sequence is stored, one that expects another is refused with what is stored", async () => {
      const store = await openStore();
      const key = createTestName();
      const first = await makeValidatedRecord(key, { sequence: 5n });
      const second = await makeValidatedRecord(key, { sequence: 6n });
      await store.put(first, CLIENT_AT_1000);
      expect((await store.put(second, { ...CLIENT_AT_1000, expected: 5n })).outcome).toBe("stored");
      const third = await makeValidatedRecord(key, { sequence: 7n });
      await expect(store.put(third, { ...CLIENT_AT_1000, expected: 5n })).rejects.toMatchObject({
        code: "SEQUENCE_CONFLICT",
        details: { sequence: 6n, extra: Buffer.from(second.bytes).toString("base64") },
      });
      expectRecord(store.get(key.name)?.record, second);
      expect(store.history(key.name)).toHaveLength(2);
    });

    test("a put that expects a record of a name without one is refused, and the name stays unknown", async () => {
      const store = await openStore();
      const record = await makeValidatedRecord(createTestName());
      for (const expected of [0n, 1n, "any"] as const) {
        await expect(store.put(record, { ...CLIENT_AT_1000, expected })).rejects.toMatchObject({
          code: "SEQUENCE_CONFLICT",
          details: {},
        });
      }
      expect(store.get(record.name)).toBeUndefined();
      expect(store.count()).toBe(0);
    });

    test("none creates and does not replace, any replaces and does not create", async () => {
      const store = await openStore();
      const key = createTestName();
      const put = async (sequence: bigint, expected: "any" | "none"): Promise<string> => {
        const record = await makeValidatedRecord(key, { sequence });
        return (await store.put(record, { ...CLIENT_AT_1000, expected })).outcome;
      };
      expect(await put(1n, "none")).toBe("stored");
      await expect(put(2n, "none")).rejects.toMatchObject({ code: "SEQUENCE_CONFLICT" });
      expect(await put(2n, "any")).toBe("stored");
    });

    test("the stored bytes again are unchanged, whatever the retry expects", async () => {
      const store = await openStore();
      const key = createTestName();
      await store.put(await makeValidatedRecord(key, { sequence: 1n }), CLIENT_AT_1000);
      const second = await makeValidatedRecord(key, { sequence: 2n });
      await store.put(second, { ...CLIENT_AT_1000, expected: 1n });
      for (const expected of [1n, "none", "any", 99n] as const) {
        expect((await store.put(second, { ...CLIENT_AT_1000, expected })).outcome).toBe("unchanged");
      }
    });

    test("what was expected does not let a worse record win", async () => {
      const store = await openStore();
      const key = createTestName();
      await store.put(await makeValidatedRecord(key, { sequence: 5n }), CLIENT_AT_1000);
      const worse = await makeValidatedRecord(key, { sequence: 4n });
      expect((await store.put(worse, { ...CLIENT_AT_1000, expected: 5n })).outcome).toBe("superseded");
    });

    test("R13: an expired record is no record for any and none, and still has its sequence", async () => {
      const nowMs = Date.now();
      const late = { origin: "client", receivedAtMs: nowMs + 2_000 } as const;
      const outcomes: string[] = [];
      for (const expected of ["none", 5n, "any", 4n] as const) {
        const store = await openStore();
        const key = createTestName();
        const brief = await makeValidatedRecord(key, { sequence: 5n, eolMs: nowMs + 1_000 });
        await store.put(brief, { origin: "client", receivedAtMs: nowMs });
        const next = await makeValidatedRecord(key, { sequence: 6n });
        outcomes.push(
          await store.put(next, { ...late, expected }).then(
            ({ outcome }) => outcome,
            (err: { details: object }) => Object.keys(err.details).join(),
          ),
        );
      }
      expect(outcomes).toEqual(["stored", "stored", "sequence,headers", "sequence,headers"]);
    });

    test("of 200 puts at once that expect the same sequence exactly one is stored, sequence after sequence", async () => {
      const store = await openStore();
      const key = createTestName();
      await store.put(await makeValidatedRecord(key, { sequence: 0n }), CLIENT_AT_1000);
      for (const expected of [0n, 1n, 2n]) {
        const rivals = await Promise.all(
          Array.from({ length: 200 }, (_, i) =>
            makeValidatedRecord(key, { sequence: expected + 1n, eolMs: Date.now() + 3_600_000 + i }),
          ),
        );
        const results = await Promise.allSettled(
          rivals.map((record) => store.put(record, { ...CLIENT_AT_1000, expected })),
        );
        const stored = results.filter(({ status }) => status === "fulfilled");
        expect(stored).toHaveLength(1);
        const winner = rivals[results.findIndex(({ status }) => status === "fulfilled")];
        expect(Buffer.from(store.get(key.name)?.record.bytes ?? [])).toEqual(
          Buffer.from(winner?.bytes ?? []),
        );
      }
      expect(store.history(key.name).map(({ record }) => record.sequence)).toEqual([3n, 2n, 1n, 0n]);
    });

    test("a stored put tells what it took the place of", async () => {
      const store = await openStore();
      const key = createTestName();
      const first = await makeValidatedRecord(key, { sequence: 5n, value: "/ipfs/bafkqaaa" });
      expect((await store.put(first, CLIENT_AT_1000)).replaced).toBeUndefined();
      expect((await store.put(first, CLIENT_AT_1000)).replaced).toBeUndefined();
      const { replaced } = await store.put(await makeValidatedRecord(key, { sequence: 6n }), CLIENT_AT_1000);
      expect(replaced?.sequence).toBe(5n);
      expect(Buffer.from(replaced?.value ?? []).toString()).toBe("/ipfs/bafkqaaa");
    });
  });
}
