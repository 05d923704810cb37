import type { CID } from "multiformats/cid";
import { SqliteRecordRoots } from "./adapters/sqlite/record-roots.ts";
import type { SqliteRecordStore } from "./adapters/sqlite/record-store.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import type { BlockCache } from "./content/block-cache.ts";
import type { Vault } from "./content/vault.ts";
import { GarbageCollector } from "./pins/sweep/collect-garbage.ts";
import { ipfsRootOf } from "./pins/sweep/record-roots.ts";
import { VaultRelease } from "./pins/sweep/sweep.ts";
import { GARBAGE_GRACE_MS, VAULT_RELEASE_POLICY } from "./policies.ts";
import { isStaging } from "./start-content.ts";
import type { Records } from "./records/records.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

export interface VaultSweeps {
  readonly collector: GarbageCollector;
  /** To be told before and after a wish for these pins is committed. */
  readonly onWished: (roots: readonly CID[]) => void;
  /** To be told of what is pinned now. */
  readonly onPinned: (root: CID) => void;
}

/** What empties the vault: by itself where it is a staging area, and when the operator asks for it. Ends with this stack. */
export function startVaultSweeps(
  config: Config,
  parts: {
    readonly recordStore: SqliteRecordStore;
    readonly records: Pick<Records, "onStored">;
    readonly backend: Backend;
    readonly vault: Vault;
    readonly cache: BlockCache | undefined;
    readonly metrics: Metrics;
    readonly logger: Logger;
  },
  stack: AsyncDisposableStack,
): VaultSweeps {
  const { recordStore, vault, cache, metrics } = parts;
  const logger = parts.logger.child({ part: "vault" });
  const shared = { pins: recordStore.pins, vault, clock: systemClock, metrics, logger };
  const records = stack.use(new SqliteRecordRoots(recordStore.databasePath));
  const collector = new GarbageCollector(
    { ...shared, records },
    { isStaging: isStaging(config), graceMs: GARBAGE_GRACE_MS },
  );
  stack.defer(() => collector.close());
  parts.records.onStored(({ current }) => {
    const root = collector.isRunning ? ipfsRootOf(current.record) : undefined;
    if (root !== undefined) collector.noteRoots([root]);
  });
  const { pinner } = parts.backend;
  if (!isStaging(config) || pinner === undefined)
    return { collector, onWished: (roots) => collector.noteRoots(roots), onPinned: () => {} };
  const release = new VaultRelease({ ...shared, pinner, cache, timers: systemClock }, VAULT_RELEASE_POLICY);
  stack.defer(() => release.close());
  release.start();
  return {
    collector,
    onWished: (roots) => {
      collector.noteRoots(roots);
      // What is confirmed already needs no room here either.
      for (const root of roots) release.noteConfirmed(root);
    },
    onPinned: (root) => release.noteConfirmed(root),
  };
}
