import { expect, test } from "vitest";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { damageVault } from "./support/damage-vault.ts";
import { codecBlock } from "./support/gateway.ts";
import { openSweeps } from "./support/vault-sweeps.ts";

const DAY_MS = 24 * 3_600_000;

function dagOf(seed: number) {
  const leaves = [blockOf(bytesOf(500, seed)), blockOf(bytesOf(100_000, seed + 1))];
  const middle = dagCborBlock({ leaves: leaves.map(({ cid }) => cid), seed });
  const root = dagCborBlock({ middle: middle.cid, seed });
  return { root, all: [root, middle, ...leaves] };
}

const bytesIn = (blocks: readonly { readonly bytes: Uint8Array }[]): number =>
  blocks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

test("R32: a dry run reports what nothing reaches, and deletes nothing", async () => {
  await using node = await openSweeps({ isStaging: false });
  const [kept, loose] = [dagOf(1), dagOf(10)];
  await node.put(...kept.all, ...loose.all);
  await node.pin(kept.root.cid, "pinned");
  await node.clock.advance(DAY_MS + 1);
  const report = await node.collect(false);
  expect(report).toMatchObject({
    state: "done",
    deletes: false,
    marked: { pins: 1, records: 0, blocks: 4 },
    looked: { blocks: 8, bytes: bytesIn([...kept.all, ...loose.all]) },
    garbage: { blocks: 4, bytes: bytesIn(loose.all) },
    deleted: { blocks: 0, bytes: 0 },
    endedAtMs: node.clock.nowMs(),
  });
  expect(report.sample).toHaveLength(4);
  expect(await node.inVault(loose.all)).not.toContain(false);
});

test("what nothing reaches is deleted when that is asked for", async () => {
  await using node = await openSweeps({ isStaging: false });
  const [kept, loose] = [dagOf(1), dagOf(10)];
  await node.put(...kept.all, ...loose.all);
  await node.pin(kept.root.cid, "pinned");
  await node.clock.advance(DAY_MS + 1);
  expect(await node.collect()).toMatchObject({ state: "done", deleted: { blocks: 4 } });
  expect(await node.inVault(kept.all)).not.toContain(false);
  expect(await node.inVault(loose.all)).not.toContain(true);
  expect(node.vault.heldBytes).toBe(bytesIn(kept.all));
  expect(node.metrics.content.vaultBlocksCollected).toBe(4);
});

test("what was put less than a day ago stays, pinned or not", async () => {
  await using node = await openSweeps({ isStaging: false });
  const [old, recent] = [dagOf(1), dagOf(10)];
  await node.put(...old.all, ...recent.all);
  await node.clock.advance(DAY_MS - 1);
  expect(await node.collect()).toMatchObject({ recent: { blocks: 8 }, deleted: { blocks: 0 } });
  await node.put(...recent.all);
  await node.clock.advance(2);
  expect(await node.collect()).toMatchObject({ recent: { blocks: 4 }, deleted: { blocks: 4 } });
  expect(await node.inVault(recent.all)).not.toContain(false);
});

test.for(["queued", "stored", "pinned", "dead"] as const)(
  "what a pin needs that is %s stays",
  async (state) => {
    await using node = await openSweeps({ isStaging: false });
    const { root, all } = dagOf(1);
    await node.put(...all);
    await node.pin(root.cid, state);
    await node.clock.advance(DAY_MS + 1);
    expect(await node.collect()).toMatchObject({ state: "done", deleted: { blocks: 0 } });
    await node.unpin(root.cid);
    expect(await node.collect()).toMatchObject({ deleted: { blocks: 4 } });
  },
);

test("what current and historical records point to stays, as far as it is here", async () => {
  await using node = await openSweeps({ isStaging: false });
  const [published, partial] = [dagOf(1), dagOf(10)];
  await node.put(...published.all, ...partial.all.slice(0, 2), ...partial.all.slice(3));
  node.recordRoots.push(published.root.cid, partial.root.cid, blockOf("never here").cid);
  await node.clock.advance(DAY_MS + 1);
  const report = await node.collect();
  expect(report).toMatchObject({ state: "done", marked: { records: 3 }, deleted: { blocks: 0 } });
});

test.for(["stored", "pinned"] as const)(
  "R33: refuses to delete anything while a pin that is %s misses a block, and says which",
  async (state) => {
    await using node = await openSweeps({ isStaging: false });
    const [broken, loose] = [dagOf(1), dagOf(10)];
    const [, missing] = broken.all;
    await node.put(...broken.all.filter((block) => block !== missing), ...loose.all);
    await node.pin(broken.root.cid, state);
    await node.clock.advance(DAY_MS + 1);
    const report = await node.collect();
    expect(report).toMatchObject({ state: "refused", deleted: { blocks: 0 }, garbage: { blocks: 0 } });
    expect(report.gaps.map(({ cid }) => cid.toString())).toEqual([missing?.cid.toString()]);
    expect(await node.inVault(loose.all)).not.toContain(false);
  },
);

test("R33: refuses when a block of a pin cannot be read any more, or its codec is not known", async () => {
  await using node = await openSweeps({ isStaging: false });
  const jose = codecBlock(0x85, blockOf("signed").bytes);
  await node.put(jose);
  await node.pin(jose.cid, "pinned");
  const unknown = await node.collect();
  expect(unknown.state).toBe("refused");
  expect(unknown.gaps[0]?.problem).toBe("cannot be read with its codec");
  await node.unpin(jose.cid);

  const { root, all } = dagOf(1);
  await node.put(...all);
  await node.pin(root.cid, "pinned");
  await damageVault(node.directory);
  expect((await node.collect()).state).toBe("refused");
});

test("R33: a record that cannot be read, or a disk that refuses, ends the run before anything is deleted", async () => {
  await using node = await openSweeps({ isStaging: false });
  const { all } = dagOf(1);
  await node.put(...all);
  await node.clock.advance(DAY_MS + 1);
  node.hooks.onPinsListed = () => {
    throw new Error("/home/somebody: the disk refuses");
  };
  const report = await node.collect();
  expect(report).toMatchObject({ state: "failed", problem: "internal error", deleted: { blocks: 0 } });
  expect(await node.inVault(all)).not.toContain(false);
});

test("before another repository, confirmed pins need not be complete here, and what is here of them stays", async () => {
  await using node = await openSweeps({ isStaging: true });
  const [confirmed, loose] = [dagOf(1), dagOf(10)];
  await node.put(...confirmed.all.slice(0, 3), ...loose.all);
  await node.pin(confirmed.root.cid, "pinned");
  await node.clock.advance(DAY_MS + 1);
  expect(await node.collect()).toMatchObject({ state: "done", deleted: { blocks: 4 } });
  expect(await node.inVault(confirmed.all.slice(0, 3))).not.toContain(false);
});

test("R20: what an upload found while garbage is collected stays, whenever its pin is committed", async () => {
  await using node = await openSweeps({ isStaging: false });
  const { root, all } = dagOf(1);
  await node.put(...all);
  await node.clock.advance(DAY_MS + 1);
  const upload = node.vault.begin();
  for (const { cid } of all) expect(await upload.has(cid)).toBe(true);
  // The pins are read before this one is committed, and the blocks are looked at when the upload has ended.
  node.hooks.beforeList = async () => {
    await node.pin(root.cid, "pinned");
    upload[Symbol.dispose]();
  };
  expect(await node.collect()).toMatchObject({
    state: "done",
    recent: { blocks: 4 },
    deleted: { blocks: 0 },
  });
});

test("a wish or a record that arrives while garbage is collected keeps what it needs", async () => {
  await using node = await openSweeps({ isStaging: false });
  const [wished, loose] = [dagOf(1), dagOf(10)];
  await node.put(...wished.all, ...loose.all);
  await node.clock.advance(DAY_MS + 1);
  node.hooks.beforeList = async () => node.collector.noteRoots([wished.root.cid]);
  expect(await node.collect()).toMatchObject({ deleted: { blocks: 4 } });
  expect(await node.inVault(wished.all)).not.toContain(false);
});

test.for([
  ["dead", { kind: "retried", atMs: 1 }],
  ["pinned", { kind: "lost", state: "queued", listedAtMs: Number.MAX_SAFE_INTEGER, problem: "lost: gone" }],
] as const)(
  "R33: a pin that is %s and changes its state while pins are read keeps what it needs",
  async ([state, outcome]) => {
    await using node = await openSweeps({ isStaging: true });
    const { root, all } = dagOf(1);
    await node.put(...all);
    await node.pin(root.cid, state);
    await node.clock.advance(DAY_MS + 1);
    node.hooks.onPinsListed = (listed) => {
      // Those that are queued have been read, if they are read apart from the others.
      if (listed === "dead" || listed === undefined) void node.pins.settle([{ root: root.cid, outcome }]);
    };
    expect(await node.collect()).toMatchObject({ state: "done", deleted: { blocks: 0 } });
    expect(node.pins.get(root.cid)?.state).toBe("queued");
  },
);

test("one run at a time; it can be cancelled, and the next one begins anew", async () => {
  await using node = await openSweeps({ isStaging: false });
  const loose = Array.from({ length: 2_000 }, (_, i) => blockOf(`loose ${i}`));
  await node.put(...loose);
  await node.clock.advance(DAY_MS + 1);
  expect(node.collector.report).toBeUndefined();
  expect(node.collector.start({ deletes: true })).toBe(true);
  expect(node.collector.start({ deletes: true })).toBe(false);
  node.collector.cancel();
  expect(await node.collector.ended()).toMatchObject({ state: "cancelled", endedAtMs: node.clock.nowMs() });
  expect(await node.collect()).toMatchObject({ state: "done", deleted: { blocks: 2_000 } });
});

test("R34: nothing is collected unless somebody asks for it", async () => {
  await using node = await openSweeps({ isStaging: true });
  const { all } = dagOf(1);
  await node.put(...all);
  node.release.start();
  await node.clock.advance(365 * DAY_MS);
  expect(await node.inVault(all)).not.toContain(false);
});
