import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseCid } from "@holdfast/core";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { expect, onTestFinished, test } from "vitest";
import { FileBlockStore } from "../src/adapters/files/block-store.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { blockStoreContract } from "./contracts/block-store.contract.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";

blockStoreContract("memory", () =>
  Promise.resolve({
    store: new MemoryBlockStore(),
    reopen: { skipped: "the memory store lives as long as the process, by design" },
  }),
);

blockStoreContract("files", async () => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-vault-"));
  return {
    store: await FileBlockStore.open(directory),
    reopen: () => FileBlockStore.open(directory),
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

/** The one block file in a vault. */
async function onlyFile(directory: string): Promise<string> {
  const files = await blockFiles(directory);
  expect(files).toHaveLength(1);
  return files[0] ?? "";
}

async function blockFiles(directory: string): Promise<string[]> {
  const all = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = all.filter((entry) => entry.isFile() && !/incoming|corrupt/.test(entry.parentPath));
  return files.map((entry) => join(entry.parentPath, entry.name));
}

test.for([
  { what: "a changed byte", damage: (file: string) => writeFile(file, "vAult block") },
  { what: "a truncated file", damage: (file: string) => truncate(file, 3) },
  { what: "an empty file", damage: (file: string) => truncate(file, 0) },
])(
  "R17: $what in the vault is a miss that is counted, set aside, and repaired by the next put",
  async ({ damage }) => {
    const { directory, store, corrupt } = await openVault();
    const block = blockOf("vault block");
    await store.put([block]);
    await damage(await onlyFile(directory));

    expect(await store.get(block.cid)).toBeUndefined();
    expect(corrupt).toEqual([block.cid.toString()]);
    expect(await store.has(block.cid)).toBe(false);
    expect(await readdir(join(directory, "corrupt"))).toHaveLength(1);

    await store.put([block]);
    expect(Buffer.from((await store.get(block.cid)) ?? []).toString()).toBe("vault block");
  },
);

test("a put over a corrupt copy that nobody has read yet repairs it instead of acknowledging it", async () => {
  const { directory, store } = await openVault();
  const block = blockOf("vault block");
  await store.put([block]);
  await writeFile(await onlyFile(directory), "vAult block");
  await store.put([block]);
  expect(Buffer.from((await store.get(block.cid)) ?? []).toString()).toBe("vault block");
});

test("reads of a corrupt copy and puts of the block at the same time end with the block held", async () => {
  const { directory, store } = await openVault();
  const block = blockOf("vault block");
  for (let round = 0; round < 20; round++) {
    await store.put([block]);
    await writeFile(await onlyFile(directory), "vAult block");
    await Promise.all([store.get(block.cid), store.put([block]), store.get(block.cid), store.put([block])]);
    expect(Buffer.from((await store.get(block.cid)) ?? []).toString()).toBe("vault block");
  }
});

test("leftovers of a crash are swept when the vault is opened, and only by the writer", async () => {
  const { directory } = await openVault();
  await writeFile(join(directory, "incoming", "half-written"), "ha");
  await FileBlockStore.open(directory, { readOnly: true });
  expect(await readdir(join(directory, "incoming"))).toEqual(["half-written"]);
  await FileBlockStore.open(directory);
  expect(await readdir(join(directory, "incoming"))).toEqual([]);
});

test("a second thread reads what the first one has put, and refuses to write", async () => {
  const { directory, store } = await openVault();
  const reader = await FileBlockStore.open(directory, { readOnly: true });
  const block = blockOf("shared");
  expect(await reader.get(block.cid)).toBeUndefined();
  await store.put([block]);
  expect(Buffer.from((await reader.get(block.cid)) ?? []).toString()).toBe("shared");
  await expect(reader.put([block])).rejects.toMatchObject({ code: "STORE_FAILED" });

  await truncate(await onlyFile(directory), 1);
  expect(await reader.get(block.cid)).toBeUndefined();
  expect(await blockFiles(directory)).toHaveLength(1);
});

test("a reader opened before the vault exists finds nothing, and blocks once there are some", async () => {
  const { directory } = await openVault();
  const later = join(directory, "later");
  const reader = await FileBlockStore.open(later, { readOnly: true });
  const block = blockOf("later");
  expect(await reader.has(block.cid)).toBe(false);
  await (await FileBlockStore.open(later)).put([block]);
  expect(await reader.has(block.cid)).toBe(true);
});

test("a multihash that is too long for a file name is a miss, and a put of it fails clearly", async () => {
  const { store } = await openVault();
  const cid = CID.createV1(0x55, Digest.create(0x00, bytesOf(200)));
  expect(await store.get(cid)).toBeUndefined();
  await expect(store.put([{ cid, bytes: bytesOf(200) }])).rejects.toMatchObject({ code: "STORE_FAILED" });
});

test("a disk that refuses fails the put with STORE_FAILED and says no path of the host", async () => {
  const { directory, store } = await openVault();
  await rm(join(directory, "incoming"), { recursive: true });
  const failure = await store.put([blockOf("x")]).catch((err: unknown) => err);
  expect(failure).toMatchObject({ code: "STORE_FAILED" });
  expect(String(failure)).not.toContain(directory);
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

  const store = await FileBlockStore.open(directory);
  const held = await Promise.all(acknowledged.map((text) => store.get(parseCid(text))));
  expect(acknowledged.filter((_, i) => held[i] === undefined)).toEqual([]);
  expect(await readdir(join(directory, "incoming"))).toEqual([]);
  for (const file of await blockFiles(directory))
    expect((await readFile(file)).byteLength).toBeGreaterThanOrEqual(20_000);
});
