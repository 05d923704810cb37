import { HoldfastError } from "@holdfast/core";
import { pino } from "pino";
import { SqliteRecordStore } from "../../src/adapters/sqlite/record-store.ts";
import { createTestName, makeValidatedRecord } from "./records.ts";

const WRITERS = 8;

/**
 * Run as a process: puts rising sequences under a few names until it is killed, and prints `NAME SEQUENCE` for each put that
 * was acknowledged. Prints `refused REASON` when it cannot have the data directory.
 */
export async function writeUntilKilled(dataDir: string): Promise<void> {
  try {
    const store = await SqliteRecordStore.open({ logger: pino({ level: "silent" }) }, { dataDir });
    await Promise.all(Array.from({ length: WRITERS }, () => writeOneName(store)));
  } catch (err) {
    const reason = err instanceof HoldfastError ? err.details["reason"] : err;
    process.stdout.write(`refused ${String(reason)}\n`);
  }
}

async function writeOneName(store: SqliteRecordStore): Promise<never> {
  const key = createTestName();
  for (let sequence = 1n; ; sequence++) {
    const record = await makeValidatedRecord(key, { sequence });
    await store.put(record, { origin: "client", receivedAtMs: Date.now() });
    // A pipe is written synchronously: what the parent reads was acknowledged before any later line.
    process.stdout.write(`${key.name.text} ${sequence}\n`);
  }
}
