import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { FileBlockStore } from "../src/adapters/files/block-store.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { damageVault } from "./support/damage-vault.ts";
import { until } from "./support/until.ts";

async function temporaryFolder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-held-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** What really is in the folder, counted block by block. */
async function countedBytes(store: FileBlockStore): Promise<number> {
  let bytes = 0;
  for await (const page of store.list({ signal: new AbortController().signal }))
    for (const { byteLength } of page) bytes += byteLength;
  return bytes;
}

const LARGE = Array.from({ length: 60 }, (_, i) => blockOf(bytesOf(70_000 + i, i)));
const SMALL = Array.from({ length: 40 }, (_, i) => blockOf(bytesOf(1_000 + i, 1_000 + i)));
const HELD = [...LARGE, ...SMALL].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

test("after a clean stop it is known at once, without looking at a file", async () => {
  const directory = await temporaryFolder();
  {
    await using store = await FileBlockStore.open(directory);
    await store.put([...LARGE, ...SMALL]);
    expect(store.heldBytes).toBe(HELD);
  }
  expect(await readdir(directory)).toContain("file-bytes");
  await using store = await FileBlockStore.open(directory);
  expect(store.heldBytes).toBe(HELD);
  await store.delete([LARGE[0]?.cid ?? blockOf("").cid]);
  expect(store.heldBytes).toBe(HELD - 70_000);
  expect(await readdir(directory)).not.toContain("file-bytes");
});

test("after a crash the files are counted behind, while blocks are put and deleted", async () => {
  const directory = await temporaryFolder();
  {
    await using store = await FileBlockStore.open(directory);
    await store.put(LARGE.slice(0, 30));
  }
  const crashed = await FileBlockStore.open(directory);
  await crashed.put([...LARGE, ...SMALL]);
  // Not closed: as after a crash, the number that was written down is that of before.
  await using store = await FileBlockStore.open(directory);
  const more = Array.from({ length: 40 }, (_, i) => blockOf(bytesOf(80_000, 5_000 + i)));
  await Promise.all([
    ...more.map((block) => store.put([block])),
    store.delete(LARGE.slice(10, 20).map(({ cid }) => cid)),
    store.put(LARGE.slice(0, 10)),
  ]);
  const expected = await countedBytes(store);
  await until(() => expect(store.heldBytes).toBe(expected));
}, 60_000);

test("a vault that crashes each time is counted each time, and never drifts", async () => {
  const directory = await temporaryFolder();
  for (let round = 0; round < 4; round++) {
    const store = await FileBlockStore.open(directory);
    await store.put([...LARGE.slice(round, round + 8), ...SMALL.slice(round, round + 8)]);
    await store.delete([LARGE[round]?.cid ?? blockOf("").cid]);
    const expected = await countedBytes(store);
    await until(() => expect(store.heldBytes).toBe(expected));
  }
}, 60_000);

test("kill -9 while blocks are put and deleted leaves a number that is true again after the next start", async () => {
  const directory = await temporaryFolder();
  const script = join(import.meta.dirname, "support/vault-churn-process.ts");
  const child = spawn(process.execPath, ["--conditions=@holdfast/source", script, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let rounds = 0;
  for await (const _line of createInterface({ input: child.stdout }))
    if (++rounds === 12) child.kill("SIGKILL");
  await exited;
  await using store = await FileBlockStore.open(directory);
  const expected = await countedBytes(store);
  expect(expected).toBeGreaterThan(0);
  await until(() => expect(store.heldBytes).toBe(expected));
}, 60_000);

test("a corrupt copy that is set aside is held no more", async () => {
  const directory = await temporaryFolder();
  await using store = await FileBlockStore.open(directory);
  await store.put([...LARGE.slice(0, 1), ...SMALL.slice(0, 1)]);
  await damageVault(directory);
  for (const { cid } of [...LARGE.slice(0, 1), ...SMALL.slice(0, 1)]) await store.get(cid);
  expect(store.heldBytes).toBe(0);
});

test("a database of an earlier version keeps its blocks, which count as put long ago", async () => {
  const directory = await temporaryFolder();
  const block = blockOf("from before");
  {
    using db = new DatabaseSync(join(directory, "small-blocks.db"));
    db.exec(`
      CREATE TABLE blocks (id INTEGER PRIMARY KEY, multihash BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
      CREATE UNIQUE INDEX blocks_by_multihash ON blocks (multihash);
      CREATE TABLE corrupt_blocks (multihash BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
      PRAGMA user_version = 1;`);
    db.prepare("INSERT INTO blocks (multihash, bytes) VALUES (?, ?)").run(
      block.cid.multihash.bytes,
      block.bytes,
    );
  }
  await using store = await FileBlockStore.open(directory);
  expect(store.heldBytes).toBe(block.bytes.byteLength);
  expect(Buffer.from((await store.get(block.cid)) ?? []).toString()).toBe("from before");
  const [page] = await Array.fromAsync(store.list({ signal: new AbortController().signal }));
  expect(page?.[0]).toMatchObject({ byteLength: block.bytes.byteLength, putAtMs: 0 });
  await store.put([blockOf("another")]);
  expect(store.heldBytes).toBe(block.bytes.byteLength + 7);
});

test("what is deleted is given back to the file system", async () => {
  const directory = await temporaryFolder();
  await using store = await FileBlockStore.open(directory);
  const blocks = Array.from({ length: 200 }, (_, i) => blockOf(bytesOf(40_000, i)));
  await store.put(blocks);
  await store.delete(blocks.map(({ cid }) => cid));
  using db = new DatabaseSync(join(directory, "small-blocks.db"), { readOnly: true });
  await until(() => expect(Number(db.prepare("PRAGMA page_count").get()?.["page_count"])).toBeLessThan(100));
});

test("a second thread that reads the folder sees deletions, and deletes nothing", async () => {
  const directory = await temporaryFolder();
  await using store = await FileBlockStore.open(directory);
  await using reader = await FileBlockStore.open(directory, { readOnly: true });
  const blocks = [...LARGE.slice(0, 1), ...SMALL.slice(0, 1)];
  await store.put(blocks);
  for (const { cid } of blocks) {
    expect(await reader.has(cid)).toBe(true);
    await expect(reader.delete([cid])).rejects.toMatchObject({ code: "STORE_FAILED" });
    await store.delete([cid]);
    expect(await reader.get(cid)).toBeUndefined();
  }
});

test("files that are not blocks are neither listed nor counted, and stay", async () => {
  const directory = await temporaryFolder();
  await mkdir(join(directory, "aa"));
  await writeFile(join(directory, "aa", "read me"), "not a block");
  await using store = await FileBlockStore.open(directory);
  await store.put(LARGE.slice(0, 1));
  expect(await countedBytes(store)).toBe(70_000);
  await until(() => expect(store.heldBytes).toBe(70_000));
  expect(await readdir(join(directory, "aa"))).toContain("read me");
});
