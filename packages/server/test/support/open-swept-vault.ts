import { join } from "node:path";
import { pino } from "pino";
import { FileBlockStore } from "../../src/adapters/files/block-store.ts";
import { SqliteRecordStore } from "../../src/adapters/sqlite/record-store.ts";
import { Vault } from "../../src/content/vault.ts";
import { VaultRelease } from "../../src/pins/sweep/sweep.ts";
import { systemClock } from "../../src/telemetry/clock.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

/** The real stores of a data folder, and what releases pins to a repository that has them all. */
export async function openSweptVault(dataDir: string) {
  const logger = pino({ level: "silent" });
  const metrics = new Metrics();
  const records = await SqliteRecordStore.open({ logger }, { dataDir });
  const store = await FileBlockStore.open(join(dataDir, "vault"));
  const vault = new Vault({ store, metrics }, { bytesMax: 0 });
  const pinner = { isPinned: () => Promise.resolve(true) };
  const release = new VaultRelease(
    { pins: records.pins, vault, pinner, clock: systemClock, timers: systemClock, metrics, logger },
    { pauseMs: 1, fullLookMs: 1_000_000 },
  );
  return { records, store, vault, release, metrics };
}
