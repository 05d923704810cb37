import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { MemoryFollowStore } from "../src/adapters/memory/follow-store.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { followStoreContract, type OpenedFollowStore } from "./contracts/follow-store.contract.ts";
import { blockOf } from "./support/blocks.ts";
import { requestOf } from "./support/create-pins.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";

followStoreContract("memory", () => Promise.resolve(openMemory()));
followStoreContract("sqlite", () => openSqlite(temporaryDir()));

test("the pins of the pin list are found by pages, also behind other claims, and no others", async () => {
  const store = await SqliteRecordStore.open({ logger: createLogger("silent") }, { dataDir: temporaryDir() });
  onTestFinished(() => store[Symbol.asyncDispose]());
  const rules = { storedIsPinned: false, provides: false };
  const listed = ["a", "b", "c", "d", "e"];
  await store.pins.add(
    ["a", "c", "x"].map((text) => requestOf(text, { source: "nostr", holder: "me" })),
    rules,
  );
  await store.pins.add(
    listed.map((text) => requestOf(text, { source: "pin-list", createdAtMs: 2000 })),
    rules,
  );
  const found: string[] = [];
  let after: number | undefined;
  do {
    const page = store.listedPins.page({ after, limit: 2 });
    found.push(...page.roots.map(String));
    after = page.next;
  } while (after !== undefined);
  expect(found.toSorted()).toEqual(listed.map((text) => blockOf(text).cid.toString()).toSorted());
  await store.pins.release(blockOf("a").cid, { source: "pin-list", holder: "" }, 3000);
  expect(store.listedPins.page({ limit: 10 }).roots).toHaveLength(4);
});

function temporaryDir(): string {
  const dataDir = mkdtempSync(join(MEMORY_FOLDER, "holdfast-follows-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

function openMemory(): OpenedFollowStore {
  return {
    store: new MemoryFollowStore(),
    reopen: () => Promise.resolve(openMemory()),
    survivesRestart: false,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function openSqlite(dataDir: string): Promise<OpenedFollowStore> {
  const records = await SqliteRecordStore.open({ logger: createLogger("silent") }, { dataDir });
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await records[Symbol.asyncDispose]();
    isOpen = false;
  };
  return {
    store: records.follows,
    reopen: async () => {
      await close();
      return openSqlite(dataDir);
    },
    survivesRestart: true,
    [Symbol.asyncDispose]: close,
  };
}
