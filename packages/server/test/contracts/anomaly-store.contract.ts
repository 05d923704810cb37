import { describe, expect, onTestFinished, test } from "vitest";
import type { IpnsName } from "@holdfast/core";
import type { AnomalyKind, AnomalyNote, AnomalyStore } from "../../src/records/anomalies/anomaly-store.ts";
import { createTestName } from "../support/records.ts";

export interface OpenedAnomalyStore extends AsyncDisposable {
  readonly store: AnomalyStore;
  /** Closes the store and opens it again, on the same state if it keeps any. */
  readonly reopen: () => Promise<OpenedAnomalyStore>;
  readonly survivesRestart: boolean;
}

/** What every `AnomalyStore` does. */
export function anomalyStoreContract(
  adapter: string,
  open: (options: { readonly anomaliesMax: number }) => Promise<OpenedAnomalyStore>,
): void {
  const openStore = async (anomaliesMax = 100): Promise<OpenedAnomalyStore> => {
    const opened = await open({ anomaliesMax });
    onTestFinished(() => opened[Symbol.asyncDispose]());
    return opened;
  };

  describe(`AnomalyStore contract: ${adapter}`, () => {
    test("a name without anomalies has none", async () => {
      const { store } = await openStore();
      expect(store.of(createTestName().name)).toEqual([]);
    });

    test("sightings of one kind at one name add up, and the sample is the last one", async () => {
      const { store } = await openStore();
      const { name } = createTestName();
      const later = { ...noteOf(name, { seenMs: 3000, count: 4 }), sample: SAMPLE_AT_2_62 };
      await store.add([noteOf(name, { seenMs: 2000, count: 3 })]);
      await store.add([later]);
      expect(store.of(name)).toEqual([
        {
          kind: "forged",
          firstSeenMs: 2000,
          lastSeenMs: 3000,
          counts: { client: 7, network: 0, "peer-push": 0 },
          sample: SAMPLE_AT_2_62,
        },
      ]);
    });

    test("kinds, origins and names are kept apart, and kinds come sorted", async () => {
      const { store } = await openStore();
      const [one, other] = [createTestName().name, createTestName().name];
      await store.add([
        noteOf(one, { kind: "rollback", origin: "network" }),
        noteOf(one, { kind: "rollback", origin: "peer-push" }),
        noteOf(one, { kind: "equivocation" }),
        noteOf(other, { kind: "jump" }),
      ]);
      expect(store.of(one).map(({ kind, counts }) => ({ kind, counts }))).toEqual([
        { kind: "equivocation", counts: { client: 1, network: 0, "peer-push": 0 } },
        { kind: "rollback", counts: { client: 0, network: 1, "peer-push": 1 } },
      ]);
      expect(store.of(other)).toHaveLength(1);
    });

    test("over its bound what tells least goes first, among equals what was not seen for longest", async () => {
      const { store } = await openStore(16);
      const names = Array.from({ length: 16 }, () => createTestName().name);
      const kinds: AnomalyKind[] = ["equivocation", "jump", "forged", "rollback"];
      const noteFor = (name: IpnsName, index: number): AnomalyNote =>
        noteOf(name, { kind: kinds[index % 4] ?? "forged", origin: "network", seenMs: 1000 - index });
      await store.add(names.map(noteFor));
      const late = createTestName().name;
      await store.add([noteOf(late, { kind: "forged", seenMs: 5000 })]);

      const left = names.filter((name) => store.of(name).length > 0);
      expect(left.length).toBeLessThan(16);
      // Rollbacks from the network tell least; the last of them was seen longest ago.
      expect(left).not.toContain(names[15]);
      expect(left.filter((_, i) => i < 3)).toEqual(names.slice(0, 3));
      expect(left).toEqual(expect.arrayContaining(names.filter((_, i) => i % 4 < 2)));
      expect(store.of(late)).toHaveLength(1);
    });

    test("however many names there are, no more than the bound is kept", async () => {
      const { store } = await openStore(50);
      const names = Array.from({ length: 500 }, () => createTestName().name);
      for (let round = 0; round < 10; round++) {
        const seenMs = round * 1000;
        await store.add(names.slice(round * 50, round * 50 + 50).map((name) => noteOf(name, { seenMs })));
      }
      const left = names.filter((name) => store.of(name).length > 0);
      expect(left.length).toBeLessThanOrEqual(50);
      expect(left.length).toBeGreaterThan(40);
      expect(left).toContain(names.at(-1));
    });

    test("an empty batch is nothing", async () => {
      const { store } = await openStore();
      await expect(store.add([])).resolves.toBeUndefined();
    });

    test("what was added is there after a restart, if the store keeps anything", async () => {
      const { store, reopen, survivesRestart } = await openStore();
      const { name } = createTestName();
      await store.add([noteOf(name, { kind: "jump" })]);
      const reopened = await reopen();
      onTestFinished(() => reopened[Symbol.asyncDispose]());
      expect(reopened.store.of(name)).toHaveLength(survivesRestart ? 1 : 0);
    });
  });
}

const SAMPLE_AT_2_62 = {
  sequence: 2n ** 62n + 1n,
  storedSequence: 2n ** 53n + 1n,
  valueSha256: "b".repeat(64),
  via: "someguy",
};

function noteOf(
  name: IpnsName,
  facts: {
    readonly kind?: AnomalyKind;
    readonly origin?: keyof AnomalyNote["counts"];
    readonly seenMs?: number;
    readonly count?: number;
  } = {},
): AnomalyNote {
  const { kind = "forged", origin = "client", seenMs = 1000, count = 1 } = facts;
  return {
    name,
    kind,
    firstSeenMs: seenMs,
    lastSeenMs: seenMs,
    counts: { client: 0, network: 0, "peer-push": 0, [origin]: count },
    sample: { sequence: 7n, storedSequence: 8n, valueSha256: "a".repeat(64), via: origin },
  };
}
