import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { MemoryApiPinStore } from "../src/adapters/memory/api-pin-store.ts";
import { MemoryPinStore } from "../src/adapters/memory/pin-store.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import type { ApiPinsQuery, ApiPinStore } from "../src/pins/api/api-pin-store.ts";
import type { PinStore } from "../src/pins/pin-store.ts";
import { apiPinStoreContract } from "./contracts/api-pin-store.contract.ts";
import { addOf, orderOf } from "./contracts/api-pin-store-facts.ts";
import { blockOf } from "./support/blocks.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";

const logger = pino({ level: "silent" });
const signal = new AbortController().signal;

async function makeDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(MEMORY_FOLDER, "holdfast-api-pins-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  return dataDir;
}

function inMemory(): { readonly store: ApiPinStore; readonly pins: PinStore } {
  const pins = new MemoryPinStore();
  return { store: new MemoryApiPinStore(pins), pins };
}

apiPinStoreContract("memory", async () => ({
  ...inMemory(),
  reopen: () => Promise.resolve(inMemory()),
  survivesRestart: false,
}));

apiPinStoreContract("sqlite", async () => {
  const dataDir = await makeDataDir();
  let database = await SqliteRecordStore.open({ logger }, { dataDir });
  return {
    store: database.apiPins,
    pins: database.pins,
    reopen: async () => {
      await database[Symbol.asyncDispose]();
      database = await SqliteRecordStore.open({ logger }, { dataDir });
      return { store: database.apiPins, pins: database.pins };
    },
    survivesRestart: true,
    dispose: () => database[Symbol.asyncDispose](),
  };
});

test("both stores answer every question alike after any changes, over several buckets of counts", async () => {
  await using database = await SqliteRecordStore.open({ logger }, { dataDir: await makeDataDir() });
  const memory = inMemory();
  const both = [
    { store: database.apiPins, pins: database.pins },
    { store: memory.store, pins: memory.pins },
  ];
  const limits = { perOwnerMax: 100_000, perOwnerAndRootMax: 100_000 };
  const rules = { storedIsPinned: false, provides: false };
  const random = sequenceOf(7);
  const ids: string[] = [];
  for (let i = 0; i < 900; i++) {
    const owner = random(4) === 0 ? "b" : "a";
    const order = orderOf(`${random(60)}`, { name: `name ${random(9)}`, meta: { k: `${random(3)}` } });
    const request = addOf(`${i}`, order, { owner, limits, rules, nowMs: 1_000 + i * 3 });
    const victim = ids[random(ids.length)] ?? "none";
    const action = random(10);
    const root = blockOf(`${random(60)}`).cid;
    for (const { store, pins } of both) {
      if (action < 6) await store.add(request);
      else if (action === 6) await store.replace({ ...request, replacedId: victim });
      else if (action === 7) await store.remove(owner, victim, 1);
      else if (action === 8) {
        await pins.settle([{ root, outcome: { kind: "pinned", recursive: true, atMs: 1, provides: false } }]);
      } else await pins.settle([{ root, outcome: { kind: "dead", attempts: 1, problem: "" } }]);
      if (i % 50 === 0) await store.releaseOutlived(1);
    }
    ids.push(`${i}`);
  }
  const roots = fc.array(
    fc.nat(70).map((n) => blockOf(`${n}`).cid),
    { maxLength: 10 },
  );
  const ms = fc.option(fc.integer({ min: 900, max: 4_000 }), { nil: undefined });
  const query: fc.Arbitrary<ApiPinsQuery> = fc.record({
    owner: fc.constantFrom("a", "b"),
    states: fc.subarray(["open", "pinned", "failed"] as const),
    limit: fc.integer({ min: 1, max: 300 }),
    openAmong: fc.option(fc.record({ roots, isAmong: fc.boolean() }), { nil: undefined }),
    roots: fc.option(roots, { nil: undefined }),
    name: fc.option(
      fc.record({
        text: fc.constantFrom("name 3", "NAME 3", "e 4", "E ", "x"),
        match: fc.constantFrom("exact", "iexact", "partial", "ipartial"),
      }),
      { nil: undefined },
    ),
    meta: fc.option(fc.dictionary(fc.constantFrom("k", "other"), fc.constantFrom("0", "1")), {
      nil: undefined,
    }),
    beforeMs: ms,
    afterMs: ms,
  });
  await fc.assert(
    fc.asyncProperty(query, async (one) => {
      const [sqlite, reference] = await Promise.all(both.map(({ store }) => answerOf(store, one)));
      expect(sqlite).toEqual(reference);
    }),
    { numRuns: 1_000, seed: 1 },
  );
  for (const n of Array.from({ length: 60 }, (_, i) => i)) {
    const [sqlite, reference] = both.map(({ pins }) => pins.claims(blockOf(`${n}`).cid));
    expect(sqlite).toEqual(reference);
  }
}, 120_000);

async function answerOf(store: ApiPinStore, query: ApiPinsQuery): Promise<unknown> {
  const { count, pins } = await store.list(query, { signal });
  return [
    count,
    pins.map(({ id, createdAtMs, name, pin }) => [id, createdAtMs, name, pin.root.toString(), pin.state]),
  ];
}

/** Numbers below a bound that look random and are the same in every run. */
function sequenceOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("a pin that changes among thousands of orders, and a long list, keep the counts true", async () => {
  await using database = await SqliteRecordStore.open({ logger }, { dataDir: await makeDataDir() });
  const { apiPins: store, pins } = database;
  const limits = { perOwnerMax: 100_000, perOwnerAndRootMax: 100_000 };
  const rules = { storedIsPinned: false, provides: false };
  await Promise.all(
    Array.from({ length: 5_000 }, (_, i) =>
      store.add(addOf(`${i}`, orderOf(i % 2 === 0 ? "shared" : `${i}`, { name: "n" }), { limits, rules })),
    ),
  );
  const countOf = async (query: Partial<ApiPinsQuery>): Promise<number> => {
    const { count } = await store.list({ owner: "a", states: ["open"], limit: 1, ...query }, { signal });
    return count;
  };
  expect(await countOf({})).toBe(5_000);
  await pins.settle([
    { root: blockOf("shared").cid, outcome: { kind: "pinned", recursive: true, atMs: 1, provides: false } },
  ]);
  expect([await countOf({}), await countOf({ states: ["pinned"] })]).toEqual([2_500, 2_500]);
  // More than one look of the scan.
  expect(await countOf({ states: ["pinned", "open"], name: { text: "n", match: "iexact" } })).toBe(5_000);
  const { pins: page } = await store.list(
    { owner: "a", states: ["open"], name: { text: "n", match: "partial" }, limit: 2_499 },
    { signal },
  );
  expect(page.map(({ id }) => Number(id))).toEqual(Array.from({ length: 2_499 }, (_, i) => 4_999 - 2 * i));
}, 120_000);
