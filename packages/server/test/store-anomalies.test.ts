import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { MemoryAnomalyStore } from "../src/adapters/memory/anomaly-store.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { anomalyStoreContract, type OpenedAnomalyStore } from "./contracts/anomaly-store.contract.ts";

const logger = createLogger("silent");

anomalyStoreContract("memory", (options) => Promise.resolve(openMemory(options)));

anomalyStoreContract("sqlite", async (options) => {
  const dataDir = mkdtempSync(join(tmpdir(), "holdfast-anomalies-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  return openSqlite(dataDir, options);
});

function openMemory(options: { readonly anomaliesMax: number }): OpenedAnomalyStore {
  return {
    store: new MemoryAnomalyStore(options),
    reopen: () => Promise.resolve(openMemory(options)),
    survivesRestart: false,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function openSqlite(
  dataDir: string,
  options: { readonly anomaliesMax: number },
): Promise<OpenedAnomalyStore> {
  const records = await SqliteRecordStore.open({ logger }, { dataDir, ...options });
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await records[Symbol.asyncDispose]();
    isOpen = false;
  };
  return {
    store: records.anomalies,
    reopen: async () => {
      await close();
      return openSqlite(dataDir, options);
    },
    survivesRestart: true,
    [Symbol.asyncDispose]: close,
  };
}
