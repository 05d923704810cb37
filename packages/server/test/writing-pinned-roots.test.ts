import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { MemoryPinnedRoots } from "../src/adapters/memory/pinned-roots.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { pinnedRootsContract } from "./contracts/pinned-roots.contract.ts";
import { cidOf } from "./support/blocks.ts";
import { createTestName, makeValidatedRecord } from "./support/records.ts";

const logger = pino({ level: "silent" });

async function makeDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), "holdfast-pins-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  return dataDir;
}

pinnedRootsContract("memory", async () => ({
  pins: new MemoryPinnedRoots(),
  reopen: () => Promise.resolve(new MemoryPinnedRoots()),
  survivesRestart: false,
}));

pinnedRootsContract("sqlite", async () => {
  const dataDir = await makeDataDir();
  let store = await SqliteRecordStore.open({ logger }, { dataDir });
  return {
    pins: store.pinnedRoots,
    reopen: async () => {
      await store[Symbol.asyncDispose]();
      store = await SqliteRecordStore.open({ logger }, { dataDir });
      return store.pinnedRoots;
    },
    survivesRestart: true,
    dispose: () => store[Symbol.asyncDispose](),
  };
});

test("a database of before there were pins gets them and keeps its records", async () => {
  const dataDir = await makeDataDir();
  const key = createTestName();
  const record = await makeValidatedRecord(key);
  const first = await SqliteRecordStore.open({ logger }, { dataDir });
  await first.put(record, { origin: "client", receivedAtMs: 1 });
  await first[Symbol.asyncDispose]();
  const db = new DatabaseSync(first.databasePath);
  db.exec("DROP TABLE pinned_roots; DROP TABLE pin_totals; PRAGMA user_version = 1");
  db.close();

  await using store = await SqliteRecordStore.open({ logger }, { dataDir });
  expect(store.get(key.name)?.record.bytes).toEqual(record.bytes);
  const root = cidOf(Buffer.from("a"));
  await store.pinnedRoots.add([{ root, recursive: true, name: undefined, source: "add", pinnedAtMs: 1 }]);
  expect(store.pinnedRoots.get(root)).toBeDefined();
});

test("a database of before pins were counted counts those it has", async () => {
  const dataDir = await makeDataDir();
  const pin = { recursive: true, name: undefined, source: "add" as const, pinnedAtMs: 1 };
  const first = await SqliteRecordStore.open({ logger }, { dataDir });
  await first.pinnedRoots.add(["a", "b"].map((text) => ({ ...pin, root: cidOf(Buffer.from(text)) })));
  await first[Symbol.asyncDispose]();
  const db = new DatabaseSync(first.databasePath);
  db.exec(`
    DROP TRIGGER count_new_pin;
    DROP TABLE pin_totals;
    ALTER TABLE pinned_roots DROP COLUMN block_bytes;
    PRAGMA user_version = 2;
  `);
  db.close();

  await using store = await SqliteRecordStore.open({ logger }, { dataDir });
  expect(store.pinnedRoots.list({ limit: 10 })).toHaveLength(2);
  await store.pinnedRoots.add([{ ...pin, root: cidOf(Buffer.from("c")) }]);
  expect(store.pinnedRoots.totals()).toEqual(new Map([["add", { pins: 3, blockBytes: 0 }]]));
});

test("a full disk refuses all pins of a call, and takes fewer afterwards", async () => {
  const dataDir = await makeDataDir();
  await using store = await SqliteRecordStore.open({ logger }, { dataDir, databasePagesMax: 20 });
  const pins = Array.from({ length: 5000 }, (_, i) => ({
    root: cidOf(Buffer.from(`${i}`)),
    recursive: true,
    name: undefined,
    source: "add" as const,
    pinnedAtMs: 1,
  }));
  await expect(store.pinnedRoots.add(pins)).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(store.pinnedRoots.list({ limit: 10 })).toEqual([]);
  await store.pinnedRoots.add(pins.slice(0, 10));
  expect(store.pinnedRoots.list({ limit: 100 })).toHaveLength(10);
});
