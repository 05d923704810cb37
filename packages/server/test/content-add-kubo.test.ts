import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { type AddEntry, addFiles } from "../src/content/add-files.ts";
import { parseAddOptions } from "../src/content/add-options.ts";

const run = promisify(execFile);
const KUBO = join(import.meta.dirname, "../../../.cache/servers/ipfs");
const hasKubo = existsSync(KUBO);
if (!hasKubo) {
  const reason = `real Kubo is missing at ${KUBO}: run tools/servers/build.sh`;
  if (process.env["TEST_REQUIRE_SERVERS"] === "1") throw new Error(reason);
  console.warn(`SKIPPED content-add-kubo.test.ts: ${reason}`);
}

const K = 1024;
const SIZES = [0, 1, 262_143, 262_144, 262_145, K * K + 1];

let folder = "";
beforeAll(async () => {
  if (!hasKubo) return;
  folder = await mkdtemp(join(tmpdir(), "holdfast-kubo-add-"));
  await kubo("init", "--profile=test");
});
afterAll(async () => {
  if (folder !== "") await rm(folder, { recursive: true });
});

async function kubo(...args: string[]): Promise<string> {
  const { stdout } = await run(KUBO, args, { env: { ...process.env, IPFS_PATH: join(folder, "repo") } });
  return stdout.trim();
}

/** Bytes that look random, differ in every chunk and are the same in every run. */
function bytesOf(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = seed;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}

/** In pieces of a network's size, so that chunks never line up with them. */
async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 65_536 - 7) yield bytes.subarray(at, at + 65_536 - 7);
}

async function ours(files: Record<string, Uint8Array>, query: string): Promise<string[]> {
  async function* entries(): AsyncGenerator<AddEntry> {
    for (const [path, bytes] of Object.entries(files)) yield { kind: "file", path, content: piecesOf(bytes) };
  }
  const options = parseAddOptions(new URLSearchParams(query));
  const added = await addFiles(entries(), new MemoryBlockStore(), options);
  return added.entries.map(({ path, cid, dagBytes }) => `${path} ${cid.toString()} ${dagBytes}`);
}

async function theirs(files: Record<string, Uint8Array>, query: string): Promise<string[]> {
  const root = await mkdtemp(join(folder, "tree-"));
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), bytes);
  }
  const [top = ""] = Object.keys(files)[0]?.split("/") ?? [];
  const flags = [...new URLSearchParams(query)].map(([name, value]) => `--${name}=${value}`);
  const text = await kubo("add", "--only-hash", "--recursive", "--progress=false", ...flags, join(root, top));
  const sizes = text.split("\n").map((line) => line.split(" "));
  return sizes.map(([, cid, ...path]) => `${path.join(" ")} ${cid}`);
}

const withoutSizes = (lines: string[]): string[] => lines.map((line) => line.replace(/ \d+$/, ""));

describe.skipIf(!hasKubo)("adding gives the CIDs that Kubo gives", () => {
  const queries = ["", "cid-version=1", "raw-leaves=true", "cid-version=1&raw-leaves=false"];
  const cases = queries.flatMap((query) => SIZES.map((size) => ({ query, size })));

  test.for(cases)("for $size bytes with '$query'", async ({ query, size }) => {
    const files = { "some file.bin": bytesOf(size) };
    expect(withoutSizes(await ours(files, query))).toEqual(await theirs(files, query));
  });

  test.for(["chunker=size-1024", "chunker=size-1024&cid-version=1", "chunker=size-7&raw-leaves=true"])(
    "for a tree of several levels with %s",
    async (query) => {
      const files = { x: bytesOf(query.includes("size-7") ? 40_000 : 400_001) };
      expect(withoutSizes(await ours(files, query))).toEqual(await theirs(files, query));
    },
  );

  test.for(["", "cid-version=1"])("for 50 MB with '%s'", { timeout: 120_000 }, async (query) => {
    const files = { big: bytesOf(50_000_000) };
    expect(withoutSizes(await ours(files, query))).toEqual(await theirs(files, query));
  });

  test.for(["wrap-with-directory=true", "wrap-with-directory=true&cid-version=1"])(
    "for a file with %s",
    async (query) => {
      const files = { "ümläut & <co>.txt": bytesOf(1000) };
      const [file, root] = withoutSizes(await ours(files, query));
      expect([file, root]).toEqual(await theirs(files, query));
    },
  );

  test.for(["", "cid-version=1", "wrap-with-directory=true"])(
    "for a directory tree with '%s'",
    async (query) => {
      const files = {
        "site/a.txt": bytesOf(10, 2),
        "site/b/c.txt": bytesOf(20, 3),
        "site/b/d/e.bin": bytesOf(300_000, 4),
        "site/z.txt": bytesOf(0),
      };
      expect(withoutSizes(await ours(files, query)).toSorted()).toEqual(
        (await theirs(files, query)).toSorted(),
      );
    },
  );

  test("for a directory that is large enough to be sharded", async () => {
    const files: Record<string, Uint8Array> = {};
    for (let i = 0; i < 5000; i++) files[`many/${String(i).padStart(20, "n")}`] = bytesOf(4, i);
    const lines = withoutSizes(await ours(files, ""));
    expect(lines.at(-1)).toEqual((await theirs(files, "")).at(-1));
  }, 120_000);

  test("and the same sizes", async () => {
    const files = { "d/big": bytesOf(3_000_000), "d/small": bytesOf(5) };
    const [big, small, directory] = (await ours(files, "")).map((line) => line.split(" "));
    const repo = await mkdtemp(join(folder, "sizes-"));
    await mkdir(join(repo, "d"));
    await writeFile(join(repo, "d/big"), files["d/big"]);
    await writeFile(join(repo, "d/small"), files["d/small"]);
    await kubo("add", "--recursive", "--quieter", join(repo, "d"));
    for (const [, cid = "", size] of [big ?? [], small ?? [], directory ?? []]) {
      const stat = JSON.parse(await kubo("files", "stat", "--enc=json", `/ipfs/${cid}`)) as {
        CumulativeSize: number;
      };
      expect(size).toBe(String(stat.CumulativeSize));
    }
  });
});
