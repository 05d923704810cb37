import { HoldfastError } from "@holdfast/core";
import { expect, test } from "vitest";
import { blockOf, bytesOf } from "../../test/support/blocks.ts";
import { MemoryBlockStore } from "../adapters/memory/block-store.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { Vault } from "./vault.ts";

function openVault(bytesMax: number) {
  const [store, metrics] = [new MemoryBlockStore(), new Metrics()];
  return { store, metrics, vault: new Vault({ store, metrics }, { bytesMax }) };
}

const FULL = { code: "OVERLOADED", details: { reason: "VAULT_FULL", retryAfterS: 30 } };

test("R23: takes what fits to the byte, and refuses one byte more", async () => {
  const { vault, metrics } = openVault(100);
  using lease = vault.begin();
  await lease.put([blockOf(bytesOf(60))]);
  await expect(lease.put([blockOf(bytesOf(41))])).rejects.toMatchObject(FULL);
  expect(metrics.content.vaultWritesRefused).toBe(1);
  await lease.put([blockOf(bytesOf(40))]);
  expect([vault.heldBytes, vault.isFull]).toEqual([100, true]);
  expect(() => vault.assertRoom()).toThrow("the vault is full: 100 of 100 bytes are taken");
});

test("a refused put stores none of its blocks", async () => {
  const { vault } = openVault(100);
  using lease = vault.begin();
  const fits = blockOf(bytesOf(60));
  await expect(lease.put([fits, blockOf(bytesOf(61))])).rejects.toMatchObject(FULL);
  expect(await vault.has(fits.cid)).toBe(false);
});

test("a disk that refuses is said, with its reason, until it takes a put", async () => {
  class Disk extends MemoryBlockStore {
    code: "STORE_FAILED" | "OVERLOADED" | undefined = "OVERLOADED";
    override put(blocks: Parameters<MemoryBlockStore["put"]>[0]): Promise<void> {
      return this.code === undefined ? super.put(blocks) : Promise.reject(new HoldfastError(this.code, "no"));
    }
  }
  const store = new Disk();
  const failures: unknown[] = [];
  const vault = new Vault(
    { store, metrics: new Metrics(), onPutFailed: (err) => failures.push(err) },
    { bytesMax: 0 },
  );
  using lease = vault.begin();
  await expect(lease.put([blockOf(bytesOf(1))])).rejects.toMatchObject({ code: "OVERLOADED" });
  expect([vault.isRefusingWrites, failures]).toEqual([false, []]);
  store.code = "STORE_FAILED";
  // Told once: a full disk under load refuses thousands of them.
  for (let i = 0; i < 2; i++)
    await expect(lease.put([blockOf(bytesOf(1))])).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect([vault.isRefusingWrites, failures]).toMatchObject([true, [{ code: "STORE_FAILED" }]]);
  store.code = undefined;
  await lease.put([blockOf(bytesOf(1))]);
  expect(vault.isRefusingWrites).toBe(false);
});

test("puts at the same time share the room that is left", async () => {
  const { vault } = openVault(100);
  using lease = vault.begin();
  const puts = Array.from({ length: 5 }, (_, i) => lease.put([blockOf(bytesOf(40, i))]));
  const outcomes = await Promise.allSettled(puts);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
  expect(vault.heldBytes).toBe(80);
});

test("a full vault still takes what it has already, and is read", async () => {
  const { vault } = openVault(100);
  using lease = vault.begin();
  const block = blockOf(bytesOf(100));
  await lease.put([block]);
  await lease.put([block]);
  expect((await vault.get(block.cid))?.byteLength).toBe(100);
});

test("what is announced to come has to fit", () => {
  const { vault } = openVault(100);
  vault.assertRoom(100);
  expect(() => vault.assertRoom(101)).toThrow(expect.objectContaining(FULL));
});

test("without a bound everything is taken", async () => {
  const { vault } = openVault(0);
  vault.assertRoom(Number.MAX_SAFE_INTEGER);
  using lease = vault.begin();
  await lease.put([blockOf(bytesOf(1_000_000))]);
  expect(vault.isFull).toBe(false);
});

test("R20: what an upload has found here stays until the upload has ended", async () => {
  const { vault } = openVault(0);
  const [put, found, other] = [blockOf("put"), blockOf("found"), blockOf("other")];
  {
    using before = vault.begin();
    await before.put([found, other]);
  }
  const upload = vault.begin();
  await upload.put([put]);
  expect(await upload.has(found.cid)).toBe(true);
  const all = [put, found, other].map(({ cid }) => cid);
  expect(await vault.deleteUnused(all)).toEqual([other.cid]);
  upload[Symbol.dispose]();
  expect(await vault.deleteUnused(all.slice(0, 2))).toEqual([put.cid, found.cid]);
  expect(vault.heldBytes).toBe(0);
});

test("R20: a block that is being deleted is not found by an upload, and a put of it survives", async () => {
  const { store, vault } = openVault(0);
  const block = blockOf("twice");
  await store.put([block]);
  const deleted = vault.deleteUnused([block.cid]);
  using upload = vault.begin();
  const [isFound] = await Promise.all([upload.has(block.cid), deleted]);
  expect(isFound).toBe(false);

  await store.put([block]);
  const other = vault.deleteUnused([block.cid]);
  await Promise.all([upload.put([block]), other]);
  expect(await vault.has(block.cid)).toBe(true);
});
