import { CarReader } from "@ipld/car";
import { MemoryBlockStore } from "../../src/adapters/memory/block-store.ts";
import { type AddEntry, addFiles } from "../../src/content/add-files.ts";
import { parseAddOptions } from "../../src/content/add-options.ts";
import type { Block, BlockStore } from "../../src/content/block-store.ts";
import { cidOf } from "./blocks.ts";
import type { TestContent } from "./start-content.ts";

/** Makes a DAG of files and gives its blocks to whoever shall have them. */
export async function makeDag(
  files: Record<string, Uint8Array | string>,
  query = "",
): Promise<{ root: string; blocks: Block[]; cidOfPath: (path: string) => string }> {
  const blocks: Block[] = [];
  const memory = new MemoryBlockStore();
  const store: BlockStore = {
    get: (cid) => memory.get(cid),
    has: (cid) => memory.has(cid),
    put: async (more) => {
      for (const { cid, bytes } of more) blocks.push({ cid, bytes: new Uint8Array(bytes) });
      await memory.put(more);
    },
  };
  async function* entries(): AsyncGenerator<AddEntry> {
    for (const [path, content] of Object.entries(files)) {
      yield { kind: "file", path: path === "" ? undefined : path, content: oneChunk(Buffer.from(content)) };
    }
  }
  const added = await addFiles(entries(), store, parseAddOptions(new URLSearchParams(query)));
  const [root] = added.roots;
  if (root === undefined) throw new Error("nothing was added");
  return {
    root: root.toString(),
    blocks,
    cidOfPath: (path) => added.entries.find((entry) => entry.path === path)?.cid.toString() ?? "absent",
  };
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Follows nothing. */
export function get(
  node: TestContent,
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Response> {
  return fetch(`${node.url}${path}`, { headers, method, redirect: "manual" });
}

export async function bytesFrom(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

/** Everything that GET and HEAD have to agree on. */
export function comparableHeaders({ headers }: Response): [string, string][] {
  const differs = /^(date|x-request-id|connection|keep-alive|x-cache-status|cache-status|server-timing)$/;
  return [...headers].filter(([name]) => !differs.test(name));
}

/** A block of any codec; the codec is part of its CID only. */
export function codecBlock(codec: number, bytes: Uint8Array): Block {
  return { cid: cidOf(bytes, codec), bytes };
}

/** The CIDs of a CAR's blocks in their order, each checked against its bytes by the reader's own digest. */
export async function carCids(
  car: Uint8Array,
): Promise<{ readonly roots: string[]; readonly cids: string[] }> {
  const reader = await CarReader.fromBytes(car);
  const cids: string[] = [];
  for await (const { cid, bytes } of reader.blocks()) {
    if (!cidOf(bytes, cid.code).multihash.digest.every((byte, at) => byte === cid.multihash.digest[at])) {
      throw new Error(`${cid.toString()} has the bytes of another block`);
    }
    cids.push(cid.toString());
  }
  return { roots: (await reader.getRoots()).map(String), cids };
}
