import { encode as encodeCbor } from "@ipld/dag-cbor";
import { encode as encodePb, prepare } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import type { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import type { Block } from "../src/content/block-store.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { bytesFrom, carCids, codecBlock, comparableHeaders, get, makeDag } from "./support/gateway.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { startContent, type TestContent } from "./support/start-content.ts";

const DAG_PB = 0x70;
const DAG_CBOR = 0x71;

function directoryBlock(entries: Readonly<Record<string, CID>>): Block {
  const Links = Object.entries(entries).map(([Name, Hash]) => ({ Name, Hash, Tsize: 1 }));
  return codecBlock(DAG_PB, encodePb(prepare({ Data: new UnixFS({ type: "directory" }).marshal(), Links })));
}

function fileBlock(parts: readonly Block[]): Block {
  const unixfs = new UnixFS({ type: "file", blockSizes: parts.map(({ bytes }) => BigInt(bytes.byteLength)) });
  const Links = parts.map(({ cid, bytes }) => ({ Name: "", Hash: cid, Tsize: bytes.byteLength }));
  return codecBlock(DAG_PB, encodePb(prepare({ Data: unixfs.marshal(), Links })));
}

const text = ({ cid }: Block): string => cid.toString();

/** A directory with a file of four parts, of which two are equal, a copy of that file, and a document that links to it. */
const parts = ["aaaa", "bbbb", "aaaa", "cc"].map((content) => blockOf(content));
const [partA, partB, , partC] = parts as [Block, Block, Block, Block];
const file = fileBlock(parts);
const inner = directoryBlock({ file: file.cid, small: blockOf("small").cid });
const document = codecBlock(DAG_CBOR, encodeCbor({ "10": file.cid, a: { deep: [inner.cid] }, n: 5 }));
const root = directoryBlock({ copy: file.cid, doc: document.cid, inner: inner.cid });
/** With everything below, as a client without a memory wants it. */
const wholeFile = [file, partA, partB, partA, partC];
const wholeInner = [inner, ...wholeFile, blockOf("small")];
const all = [root, inner, document, file, partA, partB, partC, blockOf("small")];

async function car(node: TestContent, path: string, headers: Record<string, string> = {}) {
  const response = await get(node, path, headers);
  expect([path, response.status]).toEqual([path, 200]);
  return { response, ...(await carCids(await bytesFrom(response))) };
}

describe("a CAR", () => {
  test("has the headers that the specification wants, and the same for HEAD", async () => {
    await using node = await startContent();
    await node.vault.put(all);
    const path = `/ipfs/${text(root)}/inner/file?format=car`;
    const { response } = await car(node, path);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/vnd.ipld.car; version=1; order=dfs; dups=n",
      "content-disposition": expect.stringMatching(`^attachment; filename="${text(root)}_file\\.car"`),
      "cache-control": "public, max-age=29030400, immutable",
      "x-content-type-options": "nosniff",
      "accept-ranges": "none",
      "x-ipfs-path": `/ipfs/${text(root)}/inner/file`,
      "x-ipfs-roots": [root, inner, file].map(text).join(","),
      etag: expect.stringMatching(`^W/"${text(root)}\\.car\\..+"$`),
    });
    const head = await get(node, path, {}, "HEAD");
    expect(head.status).toBe(200);
    const withoutFraming = (answer: Response) =>
      comparableHeaders(answer).filter(([name]) => !/^(transfer-encoding|content-length)$/.test(name));
    expect(withoutFraming(head)).toEqual(withoutFraming(response));
    expect(await head.text()).toBe("");
  });

  test.for([
    ["dag-scope=block", [root, inner, file]],
    ["dag-scope=entity", [root, inner, file, partA, partB, partC]],
    ["", [root, inner, file, partA, partB, partC]],
    ["car-dups=y", [root, inner, file, partA, partB, partA, partC]],
    ["dag-scope=entity&car-dups=y", [root, inner, file, partA, partB, partA, partC]],
    ["dag-scope=entity&entity-bytes=0:0", [root, inner, file, partA]],
    ["dag-scope=entity&entity-bytes=4:7", [root, inner, file, partB]],
    ["dag-scope=entity&entity-bytes=-2:*", [root, inner, file, partC]],
    ["entity-bytes=3:4", [root, inner, file, partA, partB]],
    ["entity-bytes=-9999:-3", [root, inner, file, partA, partB]],
    ["entity-bytes=14:*", [root, inner, file]],
  ] as const)("of a file below a path, ?%s", async ([query, expected]) => {
    await using node = await startContent();
    await node.vault.put(all);
    const { cids, roots } = await car(node, `/ipfs/${text(root)}/inner/file?format=car&${query}`);
    expect(cids).toEqual(expected.map(text));
    expect(roots).toEqual([text(file)]);
  });

  test.for([
    ["dag-scope=entity", [root]],
    ["dag-scope=entity&entity-bytes=0:1", [root]],
    // dag-cbor has its links in the order of its bytes: "a" comes before "10", which is longer.
    ["dag-scope=all", [root, file, partA, partB, partC, document, inner, blockOf("small")]],
    ["car-dups=y", [root, ...wholeFile, document, ...wholeInner, ...wholeFile, ...wholeInner]],
  ] as const)("of a directory, ?%s", async ([query, expected]) => {
    await using node = await startContent();
    await node.vault.put(all);
    expect((await car(node, `/ipfs/${text(root)}?format=car&${query}`)).cids).toEqual(expected.map(text));
  });

  test("through the fields of a document has the document once, and what the field links to", async () => {
    await using node = await startContent();
    await node.vault.put(all);
    const path = `/ipfs/${text(document)}/a/deep/0/small?format=car`;
    expect((await car(node, path)).cids).toEqual([document, inner, blockOf("small")].map(text));
    const field = await car(node, `/ipfs/${text(document)}/n?format=car&dag-scope=block`);
    expect(field.cids).toEqual([text(document)]);
  });

  test("a block outside the range is not needed, wherever the path to it leads", async () => {
    await using node = await startContent();
    await node.vault.put(all.filter((block) => block !== partB));
    const path = `/ipfs/${text(file)}?format=car&dag-scope=entity`;
    expect((await car(node, `${path}&entity-bytes=0:3`)).cids).toEqual([file, partA].map(text));
    expect((await car(node, `${path}&entity-bytes=8:*`)).cids).toEqual([file, partA, partC].map(text));
  });

  test("of a sharded directory: the way to one name, all shards, or everything", async () => {
    await using node = await startContent();
    const names = Object.fromEntries(
      Array.from({ length: 1500 }, (_, i) => [`d/${`${i}`.padStart(180, "n")}`, `file ${i}`]),
    );
    const dag = await makeDag(names, "cid-version=1");
    await node.vault.put(dag.blocks);
    const leaves = new Set(Object.keys(names).map((name) => dag.cidOfPath(name)));
    const name = "7".padStart(180, "n");
    const one = await car(node, `/ipfs/${dag.root}/${name}?format=car`);
    expect(one.cids.at(0)).toBe(dag.root);
    expect(one.cids.at(-1)).toBe(dag.cidOfPath(`d/${name}`));
    expect(one.cids.length).toBeLessThan(5);
    const entity = await car(node, `/ipfs/${dag.root}?format=car&dag-scope=entity`);
    expect(entity.cids.filter((cid) => leaves.has(cid))).toEqual([]);
    const whole = await car(node, `/ipfs/${dag.root}?format=car`);
    expect(new Set(whole.cids)).toEqual(new Set(dag.blocks.map(text)));
    expect(whole.cids.filter((cid) => !leaves.has(cid))).toEqual(entity.cids);
  });

  test("gotcha 20: of an identity CID has no blocks, also when it is the probe of nothing, and without a network", async () => {
    await using node = await startContent();
    for (const cid of ["bafkqaf3imvwgy3zaneqgc3janfxgy2lomvscay3jmqfa", "bafkqaaa"]) {
      const answer = await car(node, `/ipfs/${cid}?format=car`, {
        accept: "application/vnd.ipld.car; dups=y",
      });
      expect(answer.roots).toEqual([cid]);
      expect(answer.cids).toEqual([]);
      expect(answer.response.headers.get("content-type")).toContain("dups=y");
    }
  });

  test("of a path that leads nowhere proves it with the blocks on the way", async () => {
    await using node = await startContent();
    await node.vault.put(all);
    const { cids } = await car(node, `/ipfs/${text(root)}/inner/nothing/below?format=car`);
    expect(cids).toEqual([root, inner].map(text));
  });
});

describe("the parameters of a CAR", () => {
  test.for(["dag-scope=x", "entity-bytes=10:5", "car-version=2", "car-order=x", "car-dups=x"])(
    "%s is 400",
    async (query) => {
      await using node = await startContent();
      await node.vault.put(all);
      const response = await get(node, `/ipfs/${text(root)}?format=car&${query}`);
      expect([response.status, response.headers.get("cache-control")]).toEqual([400, "no-store"]);
    },
  );

  test("gotcha 20: a negative beginning before the file is its beginning, an end before the beginning is refused", async () => {
    await using node = await startContent();
    const big = await makeDag({ x: bytesOf(1026) }, "chunker=size-256&cid-version=1");
    await node.vault.put(big.blocks);
    const path = `/ipfs/${big.root}?format=car&dag-scope=entity&entity-bytes=`;
    expect((await car(node, `${path}-9999:*`)).cids).toHaveLength(6);
    expect((await car(node, `${path}-9999:-3`)).cids).toHaveLength(5);
    expect((await get(node, `${path}10:5`)).status).toBe(400);
  });

  test("everything that changes the blocks changes the tag, and the tag is answered with 304 (R16)", async () => {
    await using node = await startContent();
    await node.vault.put(all);
    const queries = [
      "",
      "&dag-scope=block",
      "&dag-scope=entity",
      "&dag-scope=entity&entity-bytes=0:*",
      "&dag-scope=entity&entity-bytes=0:1",
      "&dag-scope=entity&entity-bytes=0:-1",
      "&car-dups=y",
      "&car-order=unk",
    ];
    const tags = new Map<string, string>();
    for (const path of [text(root), `${text(root)}/inner`]) {
      for (const query of queries) {
        const url = `/ipfs/${path}?format=car${query}`;
        const response = await get(node, url);
        const tag = response.headers.get("etag") ?? "";
        expect(tags.get(tag)).toBeUndefined();
        tags.set(tag, url);
        const again = await get(node, url, { "if-none-match": tag.slice(2) });
        expect([again.status, again.headers.get("etag"), again.headers.get("cache-control")]).toEqual([
          304,
          tag,
          "public, max-age=29030400, immutable",
        ]);
        await response.arrayBuffer();
      }
    }
    expect(tags.size).toBe(2 * queries.length);
  });

  test("gotcha 19: in Accept are told in Content-Location, and caches that they depend on it", async () => {
    await using node = await startContent();
    await node.vault.put(all);
    const accept = "application/vnd.ipld.car; version=1; order=dfs; dups=y";
    const byAccept = await get(node, `/ipfs/${text(root)}?a=b`, { accept });
    expect(byAccept.headers.get("vary")).toBe("Accept");
    const location = byAccept.headers.get("content-location") ?? "";
    expect(location).toBe(`/ipfs/${text(root)}?a=b&car-dups=y&car-order=dfs&car-version=1&format=car`);
    const byUrl = await get(node, location);
    expect(Buffer.compare(await bytesFrom(byUrl), await bytesFrom(byAccept))).toBe(0);
    expect(byUrl.headers.get("etag")).toBe(byAccept.headers.get("etag"));
    expect(byUrl.headers.has("vary")).toBe(false);
    expect((await get(node, `/ipfs/${text(root)}?format=car`)).headers.get("vary")).toBe("Accept");
  });
});

describe("a CAR from a weak network", () => {
  test("a root that nobody has is 404, not an empty CAR (R17)", async () => {
    await using node = await startContent({ sources: [new ScriptedSource("s")] });
    const response = await get(node, `/ipfs/${text(root)}?format=car`);
    expect([response.status, response.headers.get("cache-control")]).toEqual([404, "no-store"]);
  });

  test("gotcha 20, P8: a block that is missing later breaks the transfer; once it is there, the next one is whole", async () => {
    const big = await makeDag({ x: bytesOf(8_000_000) }, "cid-version=1");
    const source = new ScriptedSource("s", big.blocks);
    const last = big.blocks.findLast(({ bytes }) => bytes.byteLength > 100_000) ?? blockOf("");
    source.behaveFor(last.cid, "fails");
    await using node = await startContent({ sources: [source] });
    const response = await get(node, `/ipfs/${big.root}?format=car`);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow("terminated");
    source.exceptions.clear();
    expect((await car(node, `/ipfs/${big.root}?format=car`)).cids).toHaveLength(big.blocks.length);
  });

  test("begins before the last block has arrived", async () => {
    const big = await makeDag({ x: bytesOf(3_000_000) }, "cid-version=1");
    const source = new ScriptedSource("s", big.blocks);
    const last = big.blocks.findLast(({ bytes }) => bytes.byteLength > 50_000) ?? blockOf("");
    source.behaveFor(last.cid, "hangs");
    await using node = await startContent({ sources: [source], retrievalTimeoutMs: 60_000 });
    const leaving = new AbortController();
    const response = await fetch(`${node.url}/ipfs/${big.root}?format=car`, { signal: leaving.signal });
    const reader = response.body?.getReader();
    expect((await reader?.read())?.value?.byteLength).toBeGreaterThan(0);
    leaving.abort();
    await expect(reader?.read()).rejects.toThrow("aborted");
  });
});
