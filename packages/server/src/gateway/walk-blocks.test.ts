import { setImmediate as turn } from "node:timers/promises";
import type { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { blockOf } from "../../test/support/blocks.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { Retrieval } from "./retrieval.ts";
import { SeenBlocks, type Stop, walkBlocks } from "./walk-blocks.ts";

const isHeld = (): Promise<boolean> => Promise.resolve(true);

/** A tree written as text: each block is its own name, `children` says what lies below. */
function tree(children: Readonly<Record<string, readonly string[]>>) {
  const bytesByCid = new Map<string, Uint8Array>();
  const stop = (name: string): Stop => {
    const { cid, bytes } = blockOf(name);
    bytesByCid.set(cid.toString(), bytes);
    return { cid };
  };
  const reads: string[] = [];
  const reader = {
    get: async (cid: CID) => {
      const bytes = bytesByCid.get(cid.toString()) ?? new Uint8Array();
      reads.push(Buffer.from(bytes).toString());
      return bytes;
    },
    isHeld,
  };
  const expand = (_: Stop, bytes: Uint8Array) => (children[Buffer.from(bytes).toString()] ?? []).map(stop);
  return { stop, reads, expand, retrieval: new Retrieval(reader, { timeoutMs: 1000, onlyHeld: false }) };
}

async function names(visits: AsyncIterable<{ readonly bytes: Uint8Array }>): Promise<string> {
  const all: string[] = [];
  for await (const { bytes } of visits) all.push(Buffer.from(bytes).toString());
  return all.join(" ");
}

const DAG = { r: ["a", "b", "c"], a: ["x", "b"], b: ["y"], c: ["b"] };

test("visits depth first, each block as often as it is met", async () => {
  const { stop, expand, retrieval } = tree(DAG);
  expect(await names(walkBlocks([stop("r")], expand, retrieval))).toBe("r a x b y b y c b y");
});

test("with a memory, each block and what is below it is visited only the first time", async () => {
  const { stop, expand, retrieval } = tree(DAG);
  const seen = new SeenBlocks();
  expect(await names(walkBlocks([stop("r")], expand, retrieval, { seen }))).toBe("r a x b y c");
  expect(await names(walkBlocks([stop("r")], expand, retrieval, { seen }))).toBe("");
});

test("reads some ahead, in order, but not the whole of a wide node", async () => {
  const below = Array.from({ length: 1000 }, (_, i) => `n${i}`);
  const { stop, expand, retrieval, reads } = tree({ r: below });
  const visits = walkBlocks([stop("r")], expand, retrieval);
  await visits.next();
  await visits.next();
  expect(reads.length).toBeGreaterThan(8);
  expect(reads.length).toBeLessThan(16);
  expect(reads).toEqual(["r", ...below].slice(0, reads.length));
  await visits.return(undefined);
});

test("reads nothing beside the first block while that may come soon, and then what is behind it", async () => {
  const { stop, expand, reads, retrieval } = tree({});
  const first = Promise.withResolvers<Uint8Array>();
  const clock = new ManualClock();
  const slow = new Retrieval(
    { get: (cid) => (cid.equals(blockOf("a").cid) ? first.promise : retrieval.get(cid)), isHeld },
    { timeoutMs: 1000, onlyHeld: false, clock },
  );
  const walk = () => names(walkBlocks([stop("a"), stop("b"), stop("c")], expand, slow));
  const impatient = walk();
  await turn();
  expect(reads).toEqual([]);
  await clock.advance(10);
  expect(reads).toEqual(["b", "c"]);
  first.resolve(Buffer.from("a"));
  expect(await impatient).toBe("a b c");
  // No time passes when it comes soon.
  expect(await walk()).toBe("a b c");
});

test(
  "a deep DAG with siblings on each level does not pile up blocks that were read ahead",
  { timeout: 60_000 },
  async () => {
    const levels = Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => [
        `l${i}`,
        [`l${i + 1}`, ...Array.from({ length: 20 }, (_unused, j) => `s${i}.${j}`)],
      ]),
    );
    const { stop, expand, retrieval, reads } = tree(levels);
    const visits = walkBlocks([stop("l0")], expand, retrieval);
    for (let i = 0; i <= 500; i++) await visits.next();
    const readOnTheWayDown = reads.length;
    expect(await names(visits)).toContain("s0.19");
    // What was let go is read again on the way up: the reads of both ways are more than the blocks.
    expect(reads.length).toBeGreaterThan(readOnTheWayDown + 500 * 20 - 500 * 12);
  },
);

test("what fails fails in its turn, not before", async () => {
  const { stop, expand, retrieval } = tree({ r: ["a", "b"] });
  const broken = new Retrieval(
    {
      get: async (cid) => {
        if (cid.equals(blockOf("b").cid)) throw new Error("nobody has it");
        return retrieval.get(cid);
      },
      isHeld,
    },
    { timeoutMs: 1000, onlyHeld: false },
  );
  const visits = walkBlocks([stop("r")], expand, broken);
  expect((await visits.next()).done).toBe(false);
  expect((await visits.next()).done).toBe(false);
  await expect(visits.next()).rejects.toThrow("nobody has it");
});
