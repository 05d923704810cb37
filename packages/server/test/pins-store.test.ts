import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryPinStore } from "../src/adapters/memory/pin-store.ts";
import { RECORDS } from "../src/adapters/sqlite/migrations/0001-records.ts";
import { PINNED_ROOTS } from "../src/adapters/sqlite/migrations/0002-pinned-roots.ts";
import { PIN_TOTALS } from "../src/adapters/sqlite/migrations/0003-pin-totals.ts";
import { PIN_READS, PIN_WRITES } from "../src/adapters/sqlite/pins/pin-statements.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { migrate } from "../src/adapters/sqlite/schema.ts";
import { pinStoreContract } from "./contracts/pin-store.contract.ts";
import { blockOf, cidOf } from "./support/blocks.ts";
import { requestOf } from "./support/create-pins.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";

const logger = pino({ level: "silent" });
const RULES = { storedIsPinned: true, provides: true };

async function makeDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(MEMORY_FOLDER, "holdfast-pins-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  return dataDir;
}

pinStoreContract("memory", async () => ({
  store: new MemoryPinStore(),
  reopen: () => Promise.resolve(new MemoryPinStore()),
  survivesRestart: false,
}));

pinStoreContract("sqlite", async () => {
  const dataDir = await makeDataDir();
  let store = await SqliteRecordStore.open({ logger }, { dataDir });
  return {
    store: store.pins,
    reopen: async () => {
      await store[Symbol.asyncDispose]();
      store = await SqliteRecordStore.open({ logger }, { dataDir });
      return store.pins;
    },
    survivesRestart: true,
    dispose: () => store[Symbol.asyncDispose](),
  };
});

describe("a database of before there was a queue", () => {
  /** As the release before wrote it. */
  function writeOldDatabase(dataDir: string, insert: (db: DatabaseSync) => void): void {
    using db = new DatabaseSync(join(dataDir, "holdfast.db"));
    db.exec(`${RECORDS}; ${PINNED_ROOTS}; ${PIN_TOTALS}; PRAGMA user_version = 3`);
    insert(db);
  }

  const insertPin = (db: DatabaseSync, text: string, codec: number, ...rest: (string | number | null)[]) =>
    db
      .prepare("INSERT INTO pinned_roots VALUES (?, ?, 1, 1, ?, ?, ?, ?)")
      .run(cidOf(Buffer.from(text)).multihash.bytes, codec, ...rest);

  test("keeps its pins, pinned and counted, with their claims, and tells the network nothing", async () => {
    const dataDir = await makeDataDir();
    writeOldDatabase(dataDir, (db) => {
      insertPin(db, "a", 0x55, "named", "add", 1000, null);
      insertPin(db, "b", 0x55, null, "sidecar", 2000, 70);
      insertPin(db, "b", 0x71, null, "sidecar", 3000, 70);
    });
    await using store = await SqliteRecordStore.open({ logger }, { dataDir });
    const { pins } = store;
    const claim = { source: "add", holder: "", name: "named", createdAtMs: 1000 };
    expect(pins.get(blockOf("a").cid)).toMatchObject({ state: "pinned", pinnedAtMs: 1000, claim });
    expect(pins.claims(blockOf("a").cid)).toEqual([claim]);
    const totals = pins.totals().map((total) => Object.values(total));
    expect(totals).toEqual([
      ["add", "pinned", 1, 0],
      ["sidecar", "pinned", 2, 70],
    ]);
    for (const source of ["add", "sidecar"] as const) {
      expect(pins.ready({ step: "provide", source, afterHolder: undefined, limit: 9 })).toEqual([]);
    }
    expect(pins.repositoryId()).toBe("vault");
    // The bytes go with the last pin of their block.
    for (const codec of [0x55, 0x71]) {
      const root = cidOf(Buffer.from("b"), codec);
      await pins.release(root, { source: "sidecar", holder: "" }, 1);
      await pins.settle([{ root, outcome: { kind: "unpinned" } }]);
      const bytes = codec === 0x55 ? [["sidecar", "pinned", 1, 70]] : [];
      expect(pins.totals().map((total) => Object.values(total))).toEqual([["add", "pinned", 1, 0], ...bytes]);
    }
  });

  test("without pins has not confirmed any, so that no repository is a change", async () => {
    const dataDir = await makeDataDir();
    writeOldDatabase(dataDir, () => undefined);
    await using store = await SqliteRecordStore.open({ logger }, { dataDir });
    expect([store.pins.repositoryId(), store.pins.totals()]).toEqual([undefined, []]);
  });
});

test("a full disk refuses all pins of a call, and takes fewer afterwards", async () => {
  const dataDir = await makeDataDir();
  const empty = await SqliteRecordStore.open({ logger }, { dataDir });
  await empty[Symbol.asyncDispose]();
  using db = new DatabaseSync(join(dataDir, "holdfast.db"), { readOnly: true });
  const pages = Number(db.prepare("PRAGMA page_count").get()?.["page_count"]);
  await using store = await SqliteRecordStore.open({ logger }, { dataDir, databasePagesMax: pages + 20 });
  const requests = Array.from({ length: 5000 }, (_, i) => requestOf(`${i}`));
  await expect(store.pins.add(requests, RULES)).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(store.pins.list({ limit: 10 }).pins).toEqual([]);
  await store.pins.add(requests.slice(0, 10), RULES);
  expect(store.pins.list({ limit: 100 }).pins).toHaveLength(10);
});

describe("R39: with a million pins, every statement", () => {
  /** What is known to look at more: the claims of one pin, and a table of some dozens of rows. */
  const SORTS = ["claims", "firstClaim"];
  const SCANS = ["totals"];

  test.each([...Object.entries(PIN_READS), ...Object.entries(PIN_WRITES)])(
    "%s goes through an index, and does not sort",
    (name, sql) => {
      using db = new DatabaseSync(":memory:");
      migrate(db);
      const steps = db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => String(detail));
      const scans = steps.filter((step) => step.startsWith("SCAN") && !step.includes("CONSTANT ROW"));
      expect(scans).toEqual(SCANS.includes(name) ? ["SCAN pin_totals"] : []);
      const sorts = steps.filter((step) => step.includes("TEMP B-TREE"));
      expect(sorts).toEqual(SORTS.includes(name) ? ["USE TEMP B-TREE FOR ORDER BY"] : []);
    },
  );
});
