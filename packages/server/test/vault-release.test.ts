import { HoldfastError } from "@holdfast/core";
import { expect, test, vi } from "vitest";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { damageVault } from "./support/damage-vault.ts";
import { codecBlock } from "./support/gateway.ts";
import { openSweeps } from "./support/vault-sweeps.ts";
import { until } from "./support/until.ts";

/** A root with leaves of both sizes below it, in two levels. */
function dagOf(seed: number) {
  const leaves = [blockOf(bytesOf(500, seed)), blockOf(bytesOf(100_000, seed + 1)), blockOf("shared leaf")];
  const middle = dagCborBlock({ leaves: leaves.map(({ cid }) => cid), seed: BigInt(seed) });
  const root = dagCborBlock({ middle: middle.cid, again: (leaves[0] ?? middle).cid, seed: BigInt(seed) });
  return { root, middle, all: [root, middle, ...leaves] };
}

test("R20: blocks stay until the backend has confirmed the pin, then they are cache", async () => {
  await using node = await openSweeps();
  const { root, all } = dagOf(1);
  await node.put(...all);
  await node.pin(root.cid, "stored");
  expect(await node.sweep()).toMatchObject({ blocks: 0, pins: 0 });
  expect(await node.inVault(all)).not.toContain(false);

  await node.confirm(root.cid);
  expect(await node.sweep()).toMatchObject({ blocks: 5, pins: 1, refused: undefined });
  expect(await node.inVault(all)).not.toContain(true);
  expect(node.vault.heldBytes).toBe(0);
  for (const { cid, bytes } of all)
    expect(Buffer.compare((await node.cache.get(cid)) ?? Buffer.from("miss"), bytes)).toBe(0);
  expect(node.metrics.content.vaultBlocksReleased).toBe(5);
});

test.for(["queued", "stored", "dead"] as const)(
  "R20: what a pin that is %s needs stays, also when a confirmed one shares it",
  async (state) => {
    await using node = await openSweeps();
    const [confirmed, other] = [dagOf(1), dagOf(10)];
    const shared = dagCborBlock({ confirmed: confirmed.middle.cid, other: other.root.cid });
    await node.put(...confirmed.all, ...other.all, shared);
    await node.pin(confirmed.root.cid, "pinned");
    await node.pin(shared.cid, state);
    await node.sweep();
    expect(await node.inVault([confirmed.root])).toEqual([false]);
    expect(await node.inVault([...confirmed.all.slice(1), ...other.all, shared])).not.toContain(false);
  },
);

test("blocks that nobody pinned stay", async () => {
  await using node = await openSweeps();
  const { root, all } = dagOf(1);
  const alone = blockOf("accepted, not pinned");
  await node.put(...all, alone);
  await node.pin(root.cid, "pinned");
  await node.sweep();
  expect(await node.inVault([alone])).toEqual([true]);
});

test("a pin of one block releases that block and nothing below it", async () => {
  await using node = await openSweeps();
  const { root, all } = dagOf(1);
  await node.put(...all);
  await node.pin(root.cid, "pinned", false);
  await node.sweep();
  expect(await node.inVault(all)).toEqual([false, true, true, true, true]);
});

test("R33: nothing leaves while a stored pin misses a block that it must have", async () => {
  await using node = await openSweeps();
  const [confirmed, broken] = [dagOf(1), dagOf(10)];
  await node.put(...confirmed.all, ...broken.all.filter((block) => block !== broken.all[1]));
  await node.pin(confirmed.root.cid, "pinned");
  await node.pin(broken.root.cid, "stored");
  const { blocks, refused } = await node.sweep();
  expect(blocks).toBe(0);
  expect(refused?.root.toString()).toBe(broken.root.cid.toString());
  expect(refused).toMatchObject({ problem: "is not here" });
  expect(await node.inVault(confirmed.all)).not.toContain(false);
  expect(node.metrics.content.vaultSweepsRefused).toBe(1);

  await node.put(...broken.all);
  expect(await node.sweep()).toMatchObject({ blocks: 4, pins: 1 });
  expect(await node.inVault(broken.all)).not.toContain(false);
});

test("R33: a corrupt block of a stored pin is a missing one", async () => {
  await using node = await openSweeps();
  const [confirmed, broken] = [dagOf(1), dagOf(10)];
  await node.put(...broken.all);
  await damageVault(node.directory);
  await node.put(...confirmed.all);
  await node.pin(confirmed.root.cid, "pinned");
  await node.pin(broken.root.cid, "stored");
  expect((await node.sweep()).refused).toBeDefined();
});

test("R24: bytes that are a leaf of one pin and a node of another are followed where they are a node", async () => {
  await using node = await openSweeps();
  const leaf = blockOf("below");
  const inner = dagCborBlock({ leaf: leaf.cid });
  const asRaw = codecBlock(0x55, inner.bytes);
  const [first, second] = [dagCborBlock({ raw: asRaw.cid }), dagCborBlock({ node: inner.cid })];
  await node.put(leaf, inner, first, second);
  await node.pin(first.cid, "stored");
  await node.pin(second.cid, "stored");
  await node.pin(leaf.cid, "pinned");
  await node.sweep();
  expect(await node.inVault([leaf])).toEqual([true]);
});

test("what an upload puts or finds meanwhile stays, and goes after it", async () => {
  await using node = await openSweeps();
  const { root, all } = dagOf(1);
  await node.put(...all);
  await node.pin(root.cid, "pinned");
  const upload = node.vault.begin();
  const [, middle, leaf] = all;
  if (middle === undefined || leaf === undefined) throw new Error("no such block");
  await upload.put([leaf]);
  expect(await upload.has(middle.cid)).toBe(true);
  await node.sweep();
  expect(await node.inVault([all[0] ?? leaf, middle, leaf])).toEqual([true, true, true]);
  upload[Symbol.dispose]();
  await node.sweep();
  expect(await node.inVault(all)).not.toContain(true);
});

test("a pin that the backend loses while its blocks are released keeps the rest of them", async () => {
  await using node = await openSweeps();
  const leaves = Array.from({ length: 600 }, (_, i) => blockOf(`leaf ${i}`));
  const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
  await node.put(root, ...leaves);
  await node.pin(root.cid, "pinned");
  node.hooks.beforeDelete = async () => {
    const listedAtMs = node.clock.nowMs() + 1;
    const lost = { kind: "lost", state: "stored", listedAtMs, problem: "gone" } as const;
    await node.pins.settle([{ root: root.cid, outcome: lost }]);
  };
  const { blocks } = await node.sweep();
  expect(node.pins.get(root.cid)?.state).toBe("stored");
  // What was being deleted in that moment is gone; it is in the cache, from where it can be stored again.
  expect(blocks).toBeGreaterThan(0);
  expect((await node.inVault([root, ...leaves])).filter(Boolean)).toHaveLength(601 - blocks);
  expect(blocks).toBeLessThanOrEqual(256);
});

test("R20: the repository is asked once more: what it does not have stays, and goes when it has it again", async () => {
  await using node = await openSweeps();
  const { root, all } = dagOf(1);
  await node.put(...all);
  // As after a change of the backend, or when Kubo has lost it and nobody has noticed yet.
  await node.pin(root.cid, "pinned");
  node.hooks.isPinned = () => Promise.resolve(false);
  expect(await node.sweep()).toMatchObject({ pins: 0, blocks: 0 });
  node.hooks.isPinned = () => Promise.reject(new HoldfastError("BACKEND_UNAVAILABLE", "Kubo is away"));
  node.release.noteConfirmed(root.cid);
  await expect(node.sweep()).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(await node.inVault(all)).not.toContain(false);
  delete node.hooks.isPinned;
  expect(await node.sweep()).toMatchObject({ pins: 1, blocks: 5 });
});

test("only what was confirmed since is looked at; the first sweep looks at all", async () => {
  await using node = await openSweeps();
  const dags = Array.from({ length: 120 }, (_, i) => dagOf(i * 10));
  for (const { root, all } of dags) {
    await node.put(...all);
    await node.pin(root.cid, "pinned");
  }
  const first = await node.sweep();
  expect(first.pins).toBe(120);
  expect(node.vault.heldBytes).toBe(0);
  const states: unknown[] = [];
  node.hooks.onPinsListed = (state) => states.push(state);
  const next = dagOf(5);
  await node.put(...next.all);
  await node.pin(next.root.cid, "pinned");
  expect(await node.sweep()).toMatchObject({ pins: 1, blocks: 5 });
  expect(states).toEqual(["stored", "queued", "dead"]);
  expect(await node.sweep()).toMatchObject({ pins: 0 });
});

test("it runs by itself, and stops when it is closed", async () => {
  await using node = await openSweeps();
  const { root, all } = dagOf(1);
  await node.put(...all);
  await node.pin(root.cid, "pinned");
  node.release.start();
  await node.clock.advance(1_000);
  await until(async () => expect(await node.inVault(all)).not.toContain(true));
  await node.release.close();
  const later = dagOf(10);
  await node.put(...later.all);
  await node.pin(later.root.cid, "pinned");
  await node.clock.advance(60_000);
  expect(await node.inVault(later.all)).not.toContain(false);
});

test("a large DAG is released without holding up the event loop", async () => {
  await using node = await openSweeps();
  // Reading a small one waits for no disk: nothing but the sweep itself lets others have their turn.
  const leaves = Array.from({ length: 8_000 }, (_, i) => blockOf(bytesOf(i < 100 ? 100_000 : 2_000, i)));
  const middles = Array.from({ length: 40 }, (_, i) =>
    dagCborBlock({ leaves: leaves.slice(i * 200, i * 200 + 200).map(({ cid }) => cid) }),
  );
  const root = dagCborBlock({ middles: middles.map(({ cid }) => cid) });
  for (let at = 0; at < leaves.length; at += 500) await node.put(...leaves.slice(at, at + 500));
  await node.put(root, ...middles);
  await node.pin(root.cid, "pinned");
  // What is read between two turns of the event loop is what everybody else waits for.
  let [reads, mostReads, isOver] = [0, 0, false];
  const get = node.store.get.bind(node.store);
  vi.spyOn(node.store, "get").mockImplementation((cid) => {
    mostReads = Math.max(mostReads, ++reads);
    return get(cid);
  });
  const turn = (): void => {
    reads = 0;
    if (!isOver) setImmediate(turn);
  };
  turn();
  const { blocks } = await node.sweep();
  isOver = true;
  expect(blocks).toBe(8_041);
  expect(mostReads).toBeLessThan(50);
}, 180_000);
