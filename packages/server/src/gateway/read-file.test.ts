import { isHoldfastError } from "@holdfast/core";
import { encode, prepare } from "@ipld/dag-pb";
import fc from "fast-check";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { MemoryBlockStore } from "../adapters/memory/block-store.ts";
import { type AddEntry, addFiles } from "../content/add-files.ts";
import { parseAddOptions } from "../content/add-options.ts";
import { bytesOf, cidOf } from "../../test/support/blocks.ts";
import { readFile } from "./read-file.ts";
import { readNode } from "./resolve-path.ts";
import { Retrieval } from "./retrieval.ts";
import { collect } from "./streams.ts";
import { decodeUnixfsNode } from "./unixfs-node.ts";

/** A store that remembers which blocks were read. */
class CountingReader {
  readonly store = new MemoryBlockStore();
  readonly read: string[] = [];

  async get(cid: CID): Promise<Uint8Array> {
    this.read.push(cid.toString());
    const bytes = await this.store.get(cid);
    if (bytes === undefined) throw new Error(`not in this test: ${cid.toString()}`);
    return bytes;
  }

  isHeld(cid: CID): Promise<boolean> {
    return this.store.has(cid);
  }
}

async function addFile(reader: CountingReader, bytes: Uint8Array, query: string): Promise<CID> {
  async function* entries(): AsyncGenerator<AddEntry> {
    yield {
      kind: "file",
      path: undefined,
      content: (async function* () {
        yield bytes;
      })(),
    };
  }
  const { roots } = await addFiles(entries(), reader.store, parseAddOptions(new URLSearchParams(query)));
  const [root] = roots;
  if (root === undefined) throw new Error("nothing was added");
  return root;
}

async function openFile(reader: CountingReader, root: CID) {
  const retrieval = new Retrieval(reader, { timeoutMs: 60_000, onlyHeld: false });
  const node = await readNode(root, retrieval);
  if (node.kind !== "file") throw new Error("not a file");
  return { retrieval, node };
}

test.for(["chunker=size-100", "chunker=size-100&cid-version=1"])(
  "any range of a deep file (%s) is the same part of its bytes",
  async (query) => {
    const reader = new CountingReader();
    const bytes = bytesOf(60_000);
    const { node, retrieval } = await openFile(reader, await addFile(reader, bytes, query));
    expect(node.size).toBe(60_000);
    await fc.assert(
      fc.asyncProperty(fc.nat(59_999), fc.nat(5000), async (first, more) => {
        const last = Math.min(59_999, first + more);
        const got = await collect(readFile(node, { first, last }, retrieval));
        expect(Buffer.compare(got, bytes.subarray(first, last + 1))).toBe(0);
      }),
      { numRuns: 60, seed: 1 },
    );
    expect(Buffer.compare(await collect(readFile(node, { first: 0, last: 59_999 }, retrieval)), bytes)).toBe(
      0,
    );
  },
);

test("a small range of a large file reads the path to it and nothing else", async () => {
  const reader = new CountingReader();
  const root = await addFile(reader, bytesOf(1_000_000), "chunker=size-1000&cid-version=1");
  const { node, retrieval } = await openFile(reader, root);
  reader.read.length = 0;
  await collect(readFile(node, { first: 500_100, last: 500_200 }, retrieval));
  expect(reader.read).toHaveLength(2);
});

test("read-ahead is bounded and stops with the reader", async () => {
  const reader = new CountingReader();
  const root = await addFile(reader, bytesOf(100_000), "chunker=size-1000&cid-version=1");
  const { node, retrieval } = await openFile(reader, root);
  reader.read.length = 0;
  const chunks = readFile(node, { first: 0, last: 99_999 }, retrieval);
  await chunks.next();
  expect(reader.read).toHaveLength(1);
  await chunks.next();
  expect(reader.read.length).toBeGreaterThan(4);
  expect(reader.read.length).toBeLessThanOrEqual(14);
  await chunks.return(undefined);
});

function nodeBlock(unixfs: UnixFS, links: readonly { cid: CID; size: number }[]) {
  const Links = links.map(({ cid, size }) => ({ Name: "", Hash: cid, Tsize: size }));
  const bytes = encode(prepare({ Data: unixfs.marshal(), Links }));
  return { cid: cidOf(bytes, 0x70), bytes };
}

test("P8: a part that is longer or shorter than its parent claims is an error, not a shifted file", async () => {
  const reader = new CountingReader();
  const leaf = { cid: cidOf(bytesOf(10)), bytes: bytesOf(10) };
  for (const claimed of [9, 11]) {
    const root = nodeBlock(new UnixFS({ type: "file", blockSizes: [BigInt(claimed)] }), [
      { cid: leaf.cid, size: 10 },
    ]);
    await reader.store.put([leaf, root]);
    const { node, retrieval } = await openFile(reader, root.cid);
    const read = collect(readFile(node, { first: 0, last: claimed - 1 }, retrieval));
    await expect(read).rejects.toMatchObject({ code: "CONTENT_UNSUPPORTED" });
  }
});

test("a chain of nodes without end in sight is cut off", async () => {
  const reader = new CountingReader();
  let below = { cid: cidOf(bytesOf(1)), bytes: bytesOf(1) };
  await reader.store.put([below]);
  for (let i = 0; i < 100; i++) {
    below = nodeBlock(new UnixFS({ type: "file", blockSizes: [1n] }), [{ cid: below.cid, size: 1 }]);
    await reader.store.put([below]);
  }
  const { node, retrieval } = await openFile(reader, below.cid);
  await expect(collect(readFile(node, { first: 0, last: 0 }, retrieval))).rejects.toThrow(
    /nested too deeply/,
  );
});

test("a tree of empty parts costs nothing", async () => {
  const reader = new CountingReader();
  const nowhere = cidOf(bytesOf(3));
  const links = Array.from({ length: 1000 }, () => ({ cid: nowhere, size: 0 }));
  const root = nodeBlock(new UnixFS({ type: "file", blockSizes: links.map(() => 0n) }), links);
  await reader.store.put([root]);
  const { node, retrieval } = await openFile(reader, root.cid);
  expect(await collect(readFile(node, { first: 0, last: 10 }, retrieval))).toHaveLength(0);
  expect(reader.read).toHaveLength(1);
});

test("whatever the bytes of a block, decoding gives a node or CONTENT_UNSUPPORTED", () => {
  const valid = nodeBlock(new UnixFS({ type: "file", blockSizes: [5n, 7n] }), [
    { cid: cidOf(bytesOf(5)), size: 5 },
    { cid: cidOf(bytesOf(7)), size: 7 },
  ]).bytes;
  const mutated = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const bytes = Uint8Array.from(valid);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const garbage = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(fc.oneof(garbage, mutated), (bytes) => {
      expect(outcomeOf(bytes)).toMatch(/^(?:node|CONTENT_UNSUPPORTED)$/);
    }),
    { numRuns: 5000, seed: 4711 },
  );
});

function outcomeOf(bytes: Uint8Array): string {
  try {
    const node = decodeUnixfsNode(cidOf(bytes, 0x70), bytes);
    return node.kind === "file" && !Number.isSafeInteger(node.size) ? "a size that is no number" : "node";
  } catch (err) {
    return isHoldfastError(err) ? err.code : String(err);
  }
}
