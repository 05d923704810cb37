import { encode, prepare } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import { expect, test } from "vitest";
import { blockOf } from "./support/blocks.ts";
import { codecBlock, get, makeDag } from "./support/gateway.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startContent } from "./support/start-content.ts";

test("gotcha 23: without a slash a directory is 301 with slash and query, escapes in upper case, cacheable for a day", async () => {
  await using node = await startContent();
  const dag = await makeDag({ "d/ą/ę/file-źł.txt": "x" });
  await node.vault.put(dag.blocks);
  for (const path of ["/%C4%85/%C4%99", "/%c4%85/%c4%99"]) {
    const response = await get(node, `/ipfs/${dag.root}${path}?a=b&c=%2F`);
    expect([response.status, response.headers.get("location")]).toEqual([
      301,
      `/ipfs/${dag.root}/%C4%85/%C4%99/?a=b&c=%2F`,
    ]);
    expect(response.headers.get("cache-control")).toBe("public, max-age=86400");
    expect(response.headers.get("x-ipfs-path")).not.toBeNull();
  }
});

test("under a name that redirect lives no longer than the record may be reused", async () => {
  await using node = await startContent();
  const key = createTestName();
  const dag = await makeDag({ "d/e/x": "x" });
  await node.vault.put(dag.blocks);
  await node.http.records.publish(
    key.name,
    await makeRecord(key, { value: `/ipfs/${dag.root}`, sequence: 1n }),
    { origin: "client" },
  );
  const response = await get(node, `/ipns/${key.name.text}/e`);
  expect([response.status, response.headers.get("location")]).toEqual([301, `/ipns/${key.name.text}/e/`]);
  expect(response.headers.get("cache-control")).toMatch(/^public, max-age=(?:2\d|30)$/);
});

test("?go-get=1 gets the page without a redirect, with links that still lead to the entries", async () => {
  await using node = await startContent();
  const dag = await makeDag({ "d/e/x": "x" });
  await node.vault.put(dag.blocks);
  const response = await get(node, `/ipfs/${dag.root}/e?go-get=1`);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain(`<a href="/ipfs/${dag.root}/e/x">x</a>`);
});

test("a listing is a page that can do nothing but be read", async () => {
  await using node = await startContent();
  const dag = await makeDag({ "d/x": "x" });
  await node.vault.put(dag.blocks);
  const response = await get(node, `/ipfs/${dag.root}/`);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "cache-control": "public, max-age=604800, stale-while-revalidate=2678400",
    "content-security-policy": expect.stringMatching(/^default-src 'none'; style-src 'sha256-/),
    etag: expect.stringMatching(`^"DirIndex-.*_CID-${dag.root}"$`),
  });
  const page = await response.text();
  expect(page).not.toMatch(/<script|style="|src="|@import|url\(/);
  expect(page).toContain("prefers-color-scheme:dark");
  expect(page).toContain('name="viewport"');
});

test("a sharded directory with more entries than can be shown says so, and every entry is still reachable", async () => {
  await using node = await startContent();
  const leaf = blockOf("leaf");
  // One shard with many more entries than usual: allowed, and cheaper to make than ten thousand files.
  const Links = Array.from({ length: 10_500 }, (_, i) => ({
    Name: `${(i % 256).toString(16).toUpperCase().padStart(2, "0")}entry ${i}`,
    Hash: leaf.cid,
    Tsize: 4,
  })).toSorted((a, b) => (a.Name < b.Name ? -1 : 1));
  const unixfs = new UnixFS({ type: "hamt-sharded-directory", fanout: 256n, hashType: 0x22n });
  const root = codecBlock(0x70, encode(prepare({ Data: unixfs.marshal(), Links })));
  await node.vault.put([leaf, root]);
  const page = await (await get(node, `/ipfs/${root.cid.toString()}/`)).text();
  expect(page.match(/<tr>/g)).toHaveLength(10_000);
  expect(page).toContain("Only the first 10,000 entries are shown");
});

test("a symlink is its target as text; it is not followed, neither at the end of a path nor in it", async () => {
  await using node = await startContent();
  const link = codecBlock(
    0x70,
    encode(prepare({ Data: new UnixFS({ type: "symlink", data: Buffer.from("foo") }).marshal(), Links: [] })),
  );
  const dag = await makeDag({ foo: "content" });
  const directory = codecBlock(
    0x70,
    encode(
      prepare({
        Data: new UnixFS({ type: "directory" }).marshal(),
        Links: [
          { Name: "bar", Hash: link.cid, Tsize: 1 },
          { Name: "foo", Hash: dag.blocks[0]?.cid ?? link.cid, Tsize: 1 },
        ],
      }),
    ),
  );
  await node.vault.put([...dag.blocks, link, directory]);
  const response = await get(node, `/ipfs/${directory.cid.toString()}/bar`);
  expect([response.headers.get("content-type"), await response.text()]).toEqual(["inode/symlink", "foo"]);
  expect((await get(node, `/ipfs/${directory.cid.toString()}/bar/x`)).status).toBe(404);
  const named = await get(node, `/ipfs/${link.cid.toString()}?filename=target.txt&download=true`);
  expect(named.headers.get("content-disposition")).toBe(
    "attachment; filename=\"target.txt\"; filename*=UTF-8''target.txt",
  );
});

test("a dag-pb block that is not UnixFS can be walked by its link names, and is otherwise 406 with a hint", async () => {
  await using node = await startContent();
  const leaf = blockOf("leaf");
  const plain = codecBlock(0x70, encode(prepare({ Links: [{ Name: "named", Hash: leaf.cid, Tsize: 4 }] })));
  await node.vault.put([leaf, plain]);
  const cid = plain.cid.toString();
  expect(await (await get(node, `/ipfs/${cid}/named`)).text()).toBe("leaf");
  expect((await get(node, `/ipfs/${cid}/other`)).status).toBe(404);
  const refused = await get(node, `/ipfs/${cid}`);
  expect(refused.status).toBe(406);
  expect((await get(node, `/ipfs/${cid}?format=raw`)).status).toBe(200);
  expect((await get(node, `/ipfs/${cid}?format=car`)).status).toBe(200);
});

test("so is a block of the reserved UnixFS type metadata, and as an entity it is one block", async () => {
  await using node = await startContent();
  const metadata = codecBlock(
    0x70,
    encode(prepare({ Data: new UnixFS({ type: "metadata" }).marshal(), Links: [] })),
  );
  await node.vault.put([metadata]);
  const path = `/ipfs/${metadata.cid.toString()}`;
  const targets = [path, `${path}/absent`, `${path}?format=car&dag-scope=entity`];
  const statuses = targets.map(async (target) => (await get(node, target)).status);
  expect(await Promise.all(statuses)).toEqual([406, 404, 200]);
});
