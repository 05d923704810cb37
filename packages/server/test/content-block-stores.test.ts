import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { parseCid } from "@holdfast/core";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { expect, onTestFinished, test } from "vitest";
import { BlockFiles } from "../src/adapters/files/block-files.ts";
import { FileBlockStore } from "../src/adapters/files/block-store.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { blockStoreContract } from "./contracts/block-store.contract.ts";
import type { Block } from "../src/content/block-store.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { type Damage, damageVault, largeBlockFiles, setAsideCount } from "./support/damage-vault.ts";

blockStoreContract("memory", (nowMs) =>
  Promise.resolve({
    store: new MemoryBlockStore({ nowMs }),
    reopen: () => Promise.resolve(new MemoryBlockStore({ nowMs })),
    survivesRestart: false,
  }),
);

blockStoreContract("files", async (nowMs) => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-vault-"));
  return {
    store: await FileBlockStore.open(directory, { nowMs }),
    reopen: () => FileBlockStore.open(directory, { nowMs }),
    survivesRestart: true,
    dispose: () => rm(directory, { recursive: true }),
  };
});

async function openVault() {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-vault-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const corrupt: string[] = [];
  const store = await FileBlockStore.open(directory, { onCorrupt: (cid) => corrupt.push(cid.toString()) });
  return { directory, store, corrupt };
}

const SIZES = [
  { size: "small", bytes: bytesOf(11, 3) },
  { size: "just small", bytes: bytesOf(64 * 1024, 4) },
  { size: "large", bytes: bytesOf(64 * 1024 + 1, 5) },
];

const DAMAGES: Damage[] = ["changed", "truncated", "emptied"];

async function holds(store: FileBlockStore, { cid, bytes }: Block): Promise<boolean> {
  const held = await store.get(cid);
  return held !== undefined && Buffer.compare(held, bytes) === 0;
}

test.for(SIZES.flatMap((size) => DAMAGES.map((damage) => ({ ...size, damage }))))(
  "R17: a $size block that was $damage in the vault is a miss that is counted, set aside, and repaired by the next put",
  async ({ bytes, damage }) => {
    const { directory, store, corrupt } = await openVault();
    const block = blockOf(bytes);
    await store.put([block]);
    await damageVault(directory, damage);

    expect(await store.get(block.cid)).toBeUndefined();
    expect(corrupt).toEqual([block.cid.toString()]);
    expect(await store.has(block.cid)).toBe(false);
    expect(await setAsideCount(directory)).toBe(1);

    await store.put([block]);
    expect(await holds(store, block)).toBe(true);
  },
);

test.for(SIZES)(
  "a put over a corrupt copy of a $size block that nobody has read yet repairs it instead of acknowledging it",
  async ({ bytes }) => {
    const { directory, store } = await openVault();
    const block = blockOf(bytes);
    await store.put([block]);
    await damageVault(directory);
    await store.put([block]);
    expect(await holds(store, block)).toBe(true);
  },
);

test.for(SIZES)(
  "reads of a corrupt copy and puts of a $size block at the same time end with the block held",
  async ({ bytes }) => {
    const { directory, store } = await openVault();
    const block = blockOf(bytes);
    for (let round = 0; round < 20; round++) {
      await store.put([block]);
      await damageVault(directory);
      await Promise.all([store.get(block.cid), store.put([block]), store.get(block.cid), store.put([block])]);
      expect(await holds(store, block)).toBe(true);
    }
  },
);

test("a block that was small when the limit was another is found where it is", async () => {
  const { directory, store } = await openVault();
  const block = blockOf("kept as a file by an earlier version");
  await store[Symbol.asyncDispose]();
  const earlier = await BlockFiles.create(directory);
  await earlier.put([block], Date.now());
  await earlier.close();
  const reopened = await FileBlockStore.open(directory);
  expect(await reopened.has(block.cid)).toBe(true);
  expect(await holds(reopened, block)).toBe(true);
});

/** How many commits are in the log of a database. */
async function commitsIn(databasePath: string): Promise<number> {
  const log = await readFile(`${databasePath}-wal`);
  const frameBytes = 24 + log.readUInt32BE(8);
  let commits = 0;
  // The last frame of a commit says how many pages the database has then, the others say 0.
  for (let at = 32; at + frameBytes <= log.byteLength; at += frameBytes)
    if (log.readUInt32BE(at + 4) > 0) commits++;
  return commits;
}

test("10,000 small blocks take one commit for each put", async () => {
  const { directory, store } = await openVault();
  const database = join(directory, "small-blocks.db");
  await store.put([blockOf("the first")]);
  // As long as somebody reads what was there before, the log keeps every commit.
  using reader = new DatabaseSync(database, { readOnly: true });
  reader.exec("BEGIN; SELECT count(*) FROM blocks");
  const before = await commitsIn(database);
  const blocks = Array.from({ length: 10_000 }, (_, i) => blockOf(bytesOf(500, i)));
  for (let i = 0; i < blocks.length; i += 250) await store.put(blocks.slice(i, i + 250));
  expect((await commitsIn(database)) - before).toBe(40);
  expect(await Promise.all(blocks.map((block) => holds(store, block)))).not.toContain(false);
}, 60_000);

test("the event loop goes on while a put waits for the database", async () => {
  const { directory, store } = await openVault();
  await store.put([blockOf("the first")]);
  using other = new DatabaseSync(join(directory, "small-blocks.db"), { timeout: 5_000 });
  other.exec("BEGIN IMMEDIATE");
  let isStored = false;
  const putting = store.put([blockOf("x")]).then(() => (isStored = true));
  for (let i = 0; i < 20; i++) await setImmediate();
  expect(isStored).toBe(false);
  other.exec("COMMIT");
  await putting;
  expect(await holds(store, blockOf("x"))).toBe(true);
});

test("a commit that fails stores none of its blocks, and the next one works", async () => {
  const { directory, store } = await openVault();
  const [first, second, third] = [blockOf("first"), blockOf("second"), blockOf("third")];
  await store.put([first]);
  using db = new DatabaseSync(join(directory, "small-blocks.db"), { timeout: 5_000 });
  db.exec(`CREATE TRIGGER full AFTER INSERT ON blocks WHEN new.bytes = CAST('third' AS BLOB)
    BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`);
  await expect(store.put([second, third])).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(await store.has(second.cid)).toBe(false);
  db.exec("DROP TRIGGER full");
  await store.put([second, third]);
  for (const block of [first, second, third]) expect(await holds(store, block)).toBe(true);
});

test("a writer thread that dies fails the puts that wait for it, and the next put starts another", async () => {
  const { directory, store } = await openVault();
  const database = join(directory, "small-blocks.db");
  await writeFile(database, "the thread cannot open this".repeat(1000));
  await expect(store.put([blockOf("x")])).rejects.toMatchObject({ code: "STORE_FAILED" });
  await rm(database);
  await store.put([blockOf("x")]);
  expect(await holds(store, blockOf("x"))).toBe(true);
});

test("a database that is none stops the start", async () => {
  const { directory } = await openVault();
  await writeFile(join(directory, "small-blocks.db"), "this is not what it was".repeat(1000));
  const failure = await FileBlockStore.open(directory).catch((err: unknown) => err);
  expect(failure).toMatchObject({ code: "STORE_FAILED" });
});

test("a closed vault has settled its puts and takes no more", async () => {
  const { directory, store } = await openVault();
  const blocks = Array.from({ length: 50 }, (_, i) => blockOf(`closing ${i}`));
  const puts = blocks.map((block) => store.put([block]));
  await store[Symbol.asyncDispose]();
  await Promise.all(puts);
  await expect(store.put([blockOf("late")])).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  const reopened = await FileBlockStore.open(directory);
  for (const block of blocks) expect(await holds(reopened, block)).toBe(true);
});

test("leftovers of a crash are swept when the vault is opened, and only by the writer", async () => {
  const { directory } = await openVault();
  await writeFile(join(directory, "incoming", "half-written"), "ha");
  await FileBlockStore.open(directory, { readOnly: true });
  expect(await readdir(join(directory, "incoming"))).toEqual(["half-written"]);
  await FileBlockStore.open(directory);
  expect(await readdir(join(directory, "incoming"))).toEqual([]);
});

test("folders that a sweep has emptied go at the next start, and what is put into them afterwards is found", async () => {
  const { directory, store } = await openVault();
  // Of different folders.
  const [kept, swept] = [blockOf(bytesOf(70_000, 1)), blockOf(bytesOf(70_000, 2))];
  const folders = async () => (await readdir(directory)).filter((name) => name.length === 2).length;
  await store.put([kept, swept]);
  await store.delete([swept.cid]);
  expect(await folders()).toBe(2);
  await store[Symbol.asyncDispose]();
  const reopened = await FileBlockStore.open(directory);
  expect(await folders()).toBe(1);
  expect([await holds(reopened, kept), await reopened.has(kept.cid)]).toEqual([true, true]);
  expect([await reopened.get(swept.cid), await reopened.has(swept.cid)]).toEqual([undefined, false]);
  await reopened.put([swept]);
  expect([await holds(reopened, swept), await reopened.has(swept.cid)]).toEqual([true, true]);
});

test("a second thread reads what the first one has put, and refuses to write", async () => {
  const { directory, store } = await openVault();
  const reader = await FileBlockStore.open(directory, { readOnly: true });
  for (const { bytes } of SIZES) {
    const block = blockOf(bytes);
    expect(await reader.get(block.cid)).toBeUndefined();
    await store.put([block]);
    expect(await holds(reader, block)).toBe(true);
    await expect(reader.put([block])).rejects.toMatchObject({ code: "STORE_FAILED" });
  }

  await damageVault(directory);
  for (const { bytes } of SIZES) expect(await reader.get(blockOf(bytes).cid)).toBeUndefined();
  expect(await setAsideCount(directory)).toBe(0);
});

test("a reader opened before the vault exists finds nothing, and blocks once there are some", async () => {
  const { directory } = await openVault();
  const later = join(directory, "later");
  const reader = await FileBlockStore.open(later, { readOnly: true });
  const block = blockOf("later");
  expect(await reader.has(block.cid)).toBe(false);
  await (await FileBlockStore.open(later)).put([block]);
  expect(await reader.has(block.cid)).toBe(true);
  expect(await holds(reader, block)).toBe(true);
});

test("a multihash that is too long for a file name is a miss, and a put of it fails clearly", async () => {
  const { store } = await openVault();
  const cid = CID.createV1(0x55, Digest.create(0x00, bytesOf(70_000)));
  expect(await store.get(cid)).toBeUndefined();
  await expect(store.put([{ cid, bytes: bytesOf(70_000) }])).rejects.toMatchObject({ code: "STORE_FAILED" });
});

test("a disk that refuses fails the put with STORE_FAILED and says no path of the host", async () => {
  const { directory, store } = await openVault();
  await rm(join(directory, "incoming"), { recursive: true });
  const failure = await store.put([blockOf(bytesOf(100_000))]).catch((err: unknown) => err);
  expect(failure).toMatchObject({ code: "STORE_FAILED" });
  expect(String(failure)).not.toContain(directory);
});

test("what is deleted goes in its order: a child that cannot go keeps its parent, wherever each of them is", async () => {
  const { directory, store } = await openVault();
  const [large, small] = [blockOf(bytesOf(70_000, 1)), blockOf(bytesOf(500, 2))];
  await store.put([large, small]);
  const [file] = await largeBlockFiles(directory);
  if (file === undefined) throw new Error("the large block has a file");
  await rm(file);
  // Nothing but a folder can stand in root's way.
  await mkdir(file);
  await expect(store.delete([large.cid, small.cid])).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(await store.has(small.cid)).toBe(true);
  await rm(file, { recursive: true });
  await store.delete([large.cid, small.cid]);
  expect(await store.has(small.cid)).toBe(false);
});

test("after kill -9 every acknowledged block is there, and nothing else is half written", async () => {
  const { directory } = await openVault();
  const script = join(import.meta.dirname, "support/block-writer-process.ts");
  const acknowledged: string[] = [];
  const child = spawn(process.execPath, ["--conditions=@holdfast/source", script, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    acknowledged.push(line);
    if (acknowledged.length === 320) child.kill("SIGKILL");
  }
  await exited;
  expect(acknowledged.length).toBeGreaterThanOrEqual(320);

  const corrupt: CID[] = [];
  const store = await FileBlockStore.open(directory, { onCorrupt: (cid) => corrupt.push(cid) });
  const held = await Promise.all(acknowledged.map((text) => store.get(parseCid(text))));
  expect(acknowledged.filter((_, i) => held[i] === undefined)).toEqual([]);
  expect(corrupt).toEqual([]);
  expect(await readdir(join(directory, "incoming"))).toEqual([]);
  for (const file of await largeBlockFiles(directory))
    expect((await readFile(file)).byteLength).toBeGreaterThanOrEqual(80_000);
}, 60_000);
