import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { blockKeyOf } from "../src/content/block-hash.ts";
import { openSweptVault } from "./support/open-swept-vault.ts";
import { sweptDag } from "./support/swept-dag.ts";

test.for([40, 90])(
  "R20: after kill -9 in the middle of a sweep all that is not confirmed is here, and the rest goes the next time (after %i uploads)",
  { timeout: 180_000 },
  async (uploads) => {
    const dataDir = await mkdtemp(join(tmpdir(), "holdfast-sweep-crash-"));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const { count, released } = await runUntilKilled(dataDir, uploads);
    expect(released).toBeGreaterThan(0);

    const { records, store, release } = await openSweptVault(dataDir);
    await using _records = records;
    await using _store = store;
    const { pins } = records;
    const check = async (): Promise<Set<string>> => {
      const needed = new Set<string>();
      for (let i = 0; i < count; i++) {
        const { root, blocks } = sweptDag(i);
        const state = pins.get(root)?.state;
        expect(["stored", "pinned"]).toContain(state);
        if (state === "pinned") continue;
        for (const block of blocks) {
          expect(Buffer.compare((await store.get(block.cid)) ?? Buffer.from("miss"), block.bytes)).toBe(0);
          needed.add(blockKeyOf(block.cid));
        }
      }
      return needed;
    };
    await check();
    // The first sweep looks at all pins, and finds the DAGs that were released in part.
    expect((await release.run({ signal: new AbortController().signal })).refused).toBeUndefined();
    const needed = await check();
    const unpinned = new Set(sweptDag(count).blocks.map(({ cid }) => blockKeyOf(cid)));
    for await (const page of store.list({ signal: new AbortController().signal })) {
      const left = page.map(({ cid }) => blockKeyOf(cid));
      // The upload that was under way may have put its blocks and not yet pinned them.
      expect(left.filter((key) => !needed.has(key) && !unpinned.has(key))).toEqual([]);
    }
  },
);

async function runUntilKilled(dataDir: string, uploads: number) {
  const script = join(import.meta.dirname, "support/vault-sweep-process.ts");
  const child = spawn(process.execPath, ["--conditions=@holdfast/source", script, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let count = 0;
  let released = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [i, soFar] = line.split(" ").map(Number);
    count = (i ?? 0) + 1;
    if (soFar !== undefined) released = soFar;
    if (count >= uploads && released > 0) child.kill("SIGKILL");
  }
  await exited;
  return { count, released };
}
