import { openSweptVault } from "./open-swept-vault.ts";
import { sweptDag } from "./swept-dag.ts";

/**
 * Run as a process: uploads DAGs that share blocks, confirms every second pin, and sweeps all the time, until it is killed.
 * Prints each DAG when its pin is committed.
 */
const [, , dataDir = ""] = process.argv;
const { records, vault, release, metrics } = await openSweptVault(dataDir);
const { pins } = records;
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
