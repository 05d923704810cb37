import { execFile } from "node:child_process";
import { mkdtemp, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { encode, prepare } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import type { Block } from "../src/content/block-store.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { bytesFrom, codecBlock, get, makeDag } from "./support/gateway.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { startContent } from "./support/start-content.ts";

const run = promisify(execFile);

function unixfsBlock(unixfs: UnixFS, entries: readonly (readonly [string, CID])[] = []): Block {
  const Links = entries.map(([Name, Hash]) => ({ Name, Hash, Tsize: 1 }));
  // Sorted as dag-pb wants it, names as they are.
  return codecBlock(0x70, encode(prepare({ Data: unixfs.marshal(), Links })));
}

const directory = (entries: readonly (readonly [string, CID])[]): Block =>
  unixfsBlock(new UnixFS({ type: "directory" }), entries);

/** Unpacks with the system's own tar: an independent reader. */
async function unpacked(
  tar: Uint8Array,
): Promise<AsyncDisposable & { readonly path: string; readonly listed: string[] }> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-tar-"));
  await writeFile(join(path, "a.tar"), tar);
  const { stdout } = await run("tar", ["-tf", join(path, "a.tar"), "--quoting-style=literal"]);
  await run("tar", ["-xf", join(path, "a.tar"), "-C", path]);
  return {
    path,
    listed: stdout.trim().split("\n"),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

test("a directory unpacks to the same tree, whatever its names and sizes", async () => {
  await using node = await startContent();
  const files: Record<string, Uint8Array | string> = {
    "d/ą/ę/file-źł.txt": "I am a txt file on path with utf8\n",
    "d/empty": "",
    "d/exactly 512": bytesOf(512),
    "d/large.bin": bytesOf(3_000_000),
    [`d/${"long".repeat(50)}/${"name".repeat(60)}`]: "long path",
    'd/it\'s "quoted"': "quotes",
  };
  const dag = await makeDag(files);
  await node.vault.put(dag.blocks);
  const response = await get(node, `/ipfs/${dag.root}?format=tar`);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "application/x-tar",
    "content-disposition": expect.stringContaining(`attachment; filename="${dag.root}.tar"`),
    etag: `W/"${dag.root}.x-tar"`,
    "cache-control": "public, max-age=29030400, immutable",
    "x-content-type-options": "nosniff",
    "accept-ranges": "none",
  });
  await using tree = await unpacked(await bytesFrom(response));
  for (const [name, content] of Object.entries(files)) {
    const bytes = await readFile(join(tree.path, dag.root, name.slice(2)));
    expect([name, Buffer.compare(bytes, Buffer.from(content))]).toEqual([name, 0]);
  }
});

test("a file is one entry named by its CID; the same tree gives the same bytes", async () => {
  await using node = await startContent();
  const dag = await makeDag({ x: "hello" });
  await node.vault.put(dag.blocks);
  const [first, second] = [
    await bytesFrom(await get(node, `/ipfs/${dag.root}?format=tar`)),
    await bytesFrom(await get(node, `/ipfs/${dag.root}`, { accept: "application/x-tar" })),
  ];
  expect(Buffer.compare(first, second)).toBe(0);
  await using tree = await unpacked(first);
  expect(tree.listed).toEqual([dag.root]);
  expect(await readFile(join(tree.path, dag.root), "utf8")).toBe("hello");
});

test("modes, times of change, symlinks and sharded directories are kept", async () => {
  await using node = await startContent();
  const mtime = { secs: 1_600_000_000n };
  const script = unixfsBlock(new UnixFS({ type: "file", data: Buffer.from("#!"), mode: 0o4755, mtime }));
  const link = unixfsBlock(new UnixFS({ type: "symlink", data: Buffer.from("script") }));
  const names = Object.fromEntries(
    Array.from({ length: 1500 }, (_, i) => [`d/${`${i}`.padStart(180, "n")}`, `file ${i}`]),
  );
  const shards = await makeDag(names);
  const root = directory([
    ["link", link.cid],
    ["script", script.cid],
    ["shards", (await import("multiformats/cid")).CID.parse(shards.root)],
  ]);
  await node.vault.put([...shards.blocks, script, link, root]);
  await using tree = await unpacked(
    await bytesFrom(await get(node, `/ipfs/${root.cid.toString()}?format=tar`)),
  );
  const base = join(tree.path, root.cid.toString());
  const facts = await stat(join(base, "script"));
  // The set-user-id bit is not for archives from strangers.
  expect([facts.mode & 0o7777, facts.mtimeMs]).toEqual([0o755, 1_600_000_000_000]);
  expect(await readlink(join(base, "link"))).toBe("script");
  expect(await readFile(join(base, "shards", "77".padStart(180, "n")), "utf8")).toBe("file 77");
  expect(tree.listed).toHaveLength(1500 + 4);
}, 60_000);

test("names that stay inside the root are followed there, those that leave it are refused with a status", async () => {
  await using node = await startContent();
  const content = blockOf("content");
  const inside = directory([
    ["foobar", directory([["directory", directory([["../file", content.cid]]).cid]]).cid],
  ]);
  const outside = directory([
    ["../foo", content.cid],
    ["bar", content.cid],
  ]);
  await node.vault.put([
    content,
    directory([["../file", content.cid]]),
    directory([["directory", directory([["../file", content.cid]]).cid]]),
    inside,
    outside,
  ]);
  await using tree = await unpacked(
    await bytesFrom(await get(node, `/ipfs/${inside.cid.toString()}?format=tar`)),
  );
  expect(await readFile(join(tree.path, inside.cid.toString(), "foobar", "file"), "utf8")).toBe("content");
  const refused = await get(node, `/ipfs/${outside.cid.toString()}?format=tar`);
  expect([refused.status, refused.headers.get("cache-control")]).toEqual([406, "no-store"]);
});

test("a document cannot be in a TAR, nor can a field of one", async () => {
  await using node = await startContent();
  const document = codecBlock(0x71, new Uint8Array([0xa0]));
  const root = directory([["document", document.cid]]);
  await node.vault.put([document, root]);
  for (const path of [document.cid.toString(), root.cid.toString()]) {
    expect((await get(node, `/ipfs/${path}?format=tar`)).status).toBe(406);
  }
});

test("?filename names it, HEAD has no body, the tag is answered with 304", async () => {
  await using node = await startContent();
  const dag = await makeDag({ "d/x": "hello" });
  await node.vault.put(dag.blocks);
  const url = `/ipfs/${dag.root}?format=tar&filename=test%D1%82%D0%B5%D1%81%D1%82.tar`;
  const head = await get(node, url, {}, "HEAD");
  expect(head.headers.get("content-disposition")).toBe(
    `attachment; filename="test____.tar"; filename*=UTF-8''test%D1%82%D0%B5%D1%81%D1%82.tar`,
  );
  expect(await head.text()).toBe("");
  const again = await get(node, url, { "if-none-match": head.headers.get("etag") ?? "" });
  expect(again.status).toBe(304);
});

test("P8: a file that cannot be read to its end breaks the archive", async () => {
  const dag = await makeDag({ "d/a": bytesOf(4_000_000), "d/b": "small" });
  const source = new ScriptedSource("s", dag.blocks);
  const last = dag.blocks.findLast(({ bytes }) => bytes.byteLength > 50_000) ?? blockOf("");
  source.behaveFor(last.cid, "lies");
  await using node = await startContent({ sources: [source] });
  const response = await get(node, `/ipfs/${dag.root}?format=tar`);
  expect(response.status).toBe(200);
  await expect(response.arrayBuffer()).rejects.toThrow("terminated");
});
