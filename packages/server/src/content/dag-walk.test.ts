import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { describe, expect, test } from "vitest";
import { cidOf } from "../../test/support/blocks.ts";
import { nodeKeyOf, walkDag, type WalkOptions } from "./dag-walk.ts";

const OPTIONS: WalkOptions = { readAhead: 3, nodesMax: 100 };

/** A DAG by the names of its nodes; `reads` says in which order they were asked for. */
function dagOf(links: Readonly<Record<string, readonly string[]>>) {
  const cids = new Map(Object.keys(links).map((name) => [name, cidOf(Buffer.from(name))]));
  const nameOf = new Map([...cids].map(([name, cid]) => [nodeKeyOf(cid), name]));
  const named = (name: string): CID => cids.get(name) ?? cidOf(Buffer.from(name));
  const reads: string[] = [];
  const read = async (cid: CID) => {
    const name = nameOf.get(nodeKeyOf(cid));
    if (name === undefined) throw new Error("missing");
    reads.push(name);
    return { value: name, links: (links[name] ?? []).map(named) };
  };
  return { named, reads, read };
}

async function visited(
  links: Readonly<Record<string, readonly string[]>>,
  options: Partial<WalkOptions> = {},
): Promise<string[]> {
  const { named, read } = dagOf(links);
  const nodes = walkDag(named("root"), read, { ...OPTIONS, ...options });
  return (await Array.fromAsync(nodes)).map(({ value }) => value);
}

describe("walking a DAG", () => {
  const DIAMOND = { root: ["a", "b", "a"], a: ["c", "d"], b: ["d", "e"], c: ["b"], d: [], e: [] };

  test.each([0, 1, 2, 3, 100])("is depth first, each node once, with %i read ahead", async (readAhead) => {
    expect(await visited(DIAMOND, { readAhead })).toEqual(["root", "a", "c", "b", "d", "e"]);
  });

  test("reads no node twice and no more ahead than it may", async () => {
    const { named, reads, read } = dagOf({ root: ["a", "b", "c", "d"], a: [], b: [], c: [], d: [] });
    const nodes = walkDag(named("root"), read, { ...OPTIONS, readAhead: 2 });
    await nodes.next();
    expect(reads).toEqual(["root", "a", "b"]);
    await Array.fromAsync(nodes);
    expect(reads).toEqual(["root", "a", "b", "c", "d"]);
  });

  test("leaves out what is known, with all below it", async () => {
    const known = new Set([nodeKeyOf(cidOf(Buffer.from("a")))]);
    expect(await visited(DIAMOND, { known })).toEqual(["root", "b", "d", "e"]);
  });

  test("a missing node is an error when it is its turn, not before", async () => {
    const { named, read } = dagOf({ root: ["a", "gone"], a: ["b"], b: [] });
    const seen: string[] = [];
    const walking = (async () => {
      for await (const { value } of walkDag(named("root"), read, OPTIONS)) seen.push(value);
    })();
    await expect(walking).rejects.toThrow("missing");
    expect(seen).toEqual(["root", "a", "b"]);
  });

  test.each([
    [6, 6],
    [5, "CONTENT_UNSUPPORTED"],
  ])("six nodes with a limit of %i: %s", async (nodesMax, expected) => {
    const outcome = await visited(DIAMOND, { nodesMax }).then(
      ({ length }) => length,
      (err: { code: string }) => err.code,
    );
    expect(outcome).toBe(expected);
  });

  test("too many links that wait are an error", { timeout: 60_000 }, async () => {
    // Nothing is hashed: half a million hashes would be most of the test's time.
    const leaves = Array.from({ length: 500_001 }, (_, i) =>
      CID.createV1(0x55, Digest.create(0, Buffer.from(`${i}`))),
    );
    const nodes = walkDag(cidOf(Buffer.from("root")), async () => ({ value: 0, links: leaves }), OPTIONS);
    await expect(nodes.next()).rejects.toMatchObject({ code: "CONTENT_UNSUPPORTED" });
  });

  test("a chain of 50,000 nodes is no problem for the stack", async () => {
    const { multihash } = cidOf(Buffer.from("x"));
    const read = async ({ code: depth }: CID) => ({
      value: depth,
      links: depth < 50_000 ? [CID.createV1(depth + 1, multihash)] : [],
    });
    let count = 0;
    const nodes = walkDag(CID.createV1(1, multihash), read, { readAhead: 8, nodesMax: 100_000 });
    for await (const _ of nodes) count++;
    expect(count).toBe(50_000);
  });
});
