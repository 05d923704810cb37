import { join } from "node:path";
import { pino } from "pino";
import { FileBlockStore } from "../../src/adapters/files/block-store.ts";
import { SqliteRecordStore } from "../../src/adapters/sqlite/record-store.ts";
import { Vault } from "../../src/content/vault.ts";
import { VaultRelease } from "../../src/pins/sweep/sweep.ts";
import { systemClock } from "../../src/telemetry/clock.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { sweptDag } from "./swept-dag.ts";

/**
 * Run as a process: uploads DAGs that share blocks, confirms every second pin, and sweeps all the time, until it is killed.
 * Prints each DAG when its pin is committed.
 */
const [, , dataDir = ""] = process.argv;
const logger = pino({ level: "silent" });
const metrics = new Metrics();
const { pins } = await SqliteRecordStore.open({ logger }, { dataDir });
const store = await FileBlockStore.open(join(dataDir, "vault"));
const vault = new Vault({ store, metrics }, { bytesMax: 0 });
const release = new VaultRelease(
  {
    pins,
    vault,
    pinner: { isPinned: () => Promise.resolve(true) },
    clock: systemClock,
    timers: systemClock,
    metrics,
    logger,
  },
  { pauseMs: 1, fullLookMs: 1_000_000 },
);
release.start();
for (let i = 0; ; i++) {
  const { root, blocks } = sweptDag(i);
  {
    using lease = vault.begin();
    await lease.put(blocks);
    const claim = { source: "add", holder: "", name: undefined, createdAtMs: Date.now() } as const;
    const rules = { storedIsPinned: false, provides: false };
    await pins.add([{ root, recursive: true, claim, isStored: true }], rules);
  }
  if (i % 2 === 0) {
    const outcome = { kind: "pinned", recursive: true, atMs: Date.now(), provides: false } as const;
    await pins.settle([{ root, outcome }]);
    release.noteConfirmed(root);
  }
  process.stdout.write(`${i} ${metrics.content.vaultBlocksReleased}\n`);
}
