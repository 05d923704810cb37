import { exporter, walkPath } from "ipfs-unixfs-exporter";
import type { CID } from "multiformats/cid";
import { beforeAll, expect, test } from "vitest";
import { MemoryBlockStore } from "../adapters/memory/block-store.ts";
import { type AddEntry, addFiles } from "../content/add-files.ts";
import { parseAddOptions } from "../content/add-options.ts";
import { readNode } from "./resolve-path.ts";
import { Retrieval } from "./retrieval.ts";
import { findInShards, shardedEntries, walkShards } from "./sharded-directory.ts";
import type { ShardedNode } from "./unixfs-node.ts";

const store = new MemoryBlockStore();
const names = Array.from({ length: 3000 }, (_, i) => `${i % 7 === 0 ? "ü " : ""}${i}`.padStart(120, "n"));
let root: CID;
let directory: ShardedNode;

const reader = {
  reads: 0,
  async get(cid: CID): Promise<Uint8Array> {
    this.reads++;
    const bytes = await store.get(cid);
    if (bytes === undefined) throw new Error(`not in this test: ${cid.toString()}`);
    return bytes;
  },
  isHeld: (cid: CID) => store.has(cid),
};
const retrieval = new Retrieval(reader, { timeoutMs: 10_000, onlyHeld: false });
const storage = {
  async *get(cid: CID): AsyncGenerator<Uint8Array> {
    yield await reader.get(cid);
  },
};

beforeAll(async () => {
  async function* entries(): AsyncGenerator<AddEntry> {
    for (const name of names) {
      yield {
        kind: "file",
        path: `d/${name}`,
        content: (async function* () {
          yield Buffer.from(name.slice(-4));
        })(),
      };
    }
  }
  const added = await addFiles(entries(), store, parseAddOptions(new URLSearchParams("cid-version=1")));
  const [first] = added.roots;
  if (first === undefined) throw new Error("nothing was added");
  root = first;
  const node = await readNode(root, retrieval);
  if (node.kind !== "sharded-directory") throw new Error("the directory is not large enough");
  directory = node;
});

test("finds every name where ipfs-unixfs-exporter finds it, reading one block per level", async () => {
  for (const name of names.filter((_, i) => i % 97 === 0)) {
    let expected: string | undefined;
    for await (const step of walkPath(`${root.toString()}/${name}`, storage)) expected = step.cid.toString();
    reader.reads = 0;
    const proof: CID[] = [];
    const found = await findInShards(directory, name, retrieval, (cid) => proof.push(cid));
    expect(found?.toString()).toBe(expected);
    expect(proof).toHaveLength(reader.reads);
    expect(reader.reads).toBeLessThan(5);
  }
});

test("says of other names that they are absent", async () => {
  for (const name of ["absent", "", "00", `${names[0]}x`, (names[1] ?? "").slice(1)]) {
    expect(await findInShards(directory, name, retrieval)).toBeUndefined();
  }
});

test("lists what ipfs-unixfs-exporter lists, from every block of the directory once", async () => {
  const expected: string[] = [];
  const exported = await exporter(root.toString(), storage);
  if (exported.type !== "directory") throw new Error("it is a directory");
  for await (const { name, cid } of exported.entries()) expected.push(`${name} ${cid.toString()}`);
  const listed: string[] = [];
  for await (const { name, cid } of shardedEntries(directory, retrieval))
    listed.push(`${name} ${cid.toString()}`);
  expect(listed.toSorted()).toEqual(expected.toSorted());
  const shards: string[] = [];
  for await (const { stop } of walkShards(directory, retrieval)) shards.push(stop.cid.toString());
  expect(shards.length).toBeGreaterThan(100);
  expect(new Set(shards).size).toBe(shards.length);
});
