import { encode, prepare } from "@ipld/dag-pb";
import { UnixFS } from "ipfs-unixfs";
import { describe, expect, test } from "vitest";
import { blockOf } from "./support/blocks.ts";
import { codecBlock, get, makeDag } from "./support/gateway.ts";
import { createTestName } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { startContent } from "./support/start-content.ts";

const IMMUTABLE = "public, max-age=29030400, immutable";
const DATE = "Sun, 13 Sep 2020 12:26:40 GMT";

const dated = codecBlock(
  0x70,
  encode(
    prepare({
      Data: new UnixFS({
        type: "file",
        data: Buffer.from("dated"),
        mtime: { secs: 1_600_000_000n, nsecs: 5 },
      }).marshal(),
      Links: [],
    }),
  ),
);
const url = `/ipfs/${dated.cid.toString()}`;
const etag = `"${dated.cid.toString()}"`;

describe("a file that says when it was changed (UnixFS 1.5)", () => {
  test("has Last-Modified, and is 304 for a client that has this version or a newer one", async () => {
    await using node = await startContent();
    await node.vault.put([dated]);
    const response = await get(node, url);
    expect(response.headers.get("last-modified")).toBe(DATE);
    for (const [since, status] of [
      [DATE, 304],
      ["Sun, 13 Sep 2020 12:26:41 GMT", 304],
      ["Sun, 13 Sep 2020 12:26:39 GMT", 200],
      ["nonsense", 200],
    ] as const) {
      const answer = await get(node, url, { "if-modified-since": since });
      expect([since, answer.status]).toEqual([since, status]);
      expect([answer.headers.get("etag"), answer.headers.get("cache-control")]).toEqual([etag, IMMUTABLE]);
      await answer.arrayBuffer();
    }
  });

  test("If-None-Match decides alone when it is there", async () => {
    await using node = await startContent();
    await node.vault.put([dated]);
    const other = await get(node, url, { "if-none-match": '"other"', "if-modified-since": DATE });
    expect(other.status).toBe(200);
    const same = await get(node, url, {
      "if-none-match": etag,
      "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT",
    });
    expect(same.status).toBe(304);
  });

  test("If-Range takes its date as well as its tag", async () => {
    await using node = await startContent();
    await node.vault.put([dated]);
    for (const [ifRange, status] of [
      [DATE, 206],
      [etag, 206],
      ["Sun, 13 Sep 2020 12:26:41 GMT", 200],
      [`W/${etag}`, 200],
    ] as const) {
      const answer = await get(node, url, { range: "bytes=0-0", "if-range": ifRange });
      expect([ifRange, answer.status]).toEqual([ifRange, status]);
      await answer.arrayBuffer();
    }
  });
});

describe("304", () => {
  test("for a tag that names the CID costs no block: not even a source is asked", async () => {
    const source = new ScriptedSource("s");
    source.behaviour = "hangs";
    await using node = await startContent({ sources: [source] });
    const { cid } = blockOf("never retrieved");
    const response = await get(node, `/ipfs/${cid.toString()}`, { "if-none-match": `W/"${cid.toString()}"` });
    expect([response.status, response.headers.get("etag")]).toEqual([304, `"${cid.toString()}"`]);
    expect(source.asked).toHaveLength(0);
  });

  test("for an asterisk needs that there is something", async () => {
    await using node = await startContent({ sources: [new ScriptedSource("s")] });
    const absent = `/ipfs/${blockOf("absent").cid.toString()}`;
    for (const query of ["", "?format=raw", "?format=car", "?format=tar"]) {
      expect((await get(node, absent + query, { "if-none-match": "*" })).status).toBe(404);
      expect((await get(node, `/ipfs/bafkqaaa${query}`, { "if-none-match": "*" })).status).toBe(304);
    }
  });

  test("is not given for what can never be answered", async () => {
    await using node = await startContent();
    const { cid } = codecBlock(0x78, new Uint8Array());
    const response = await get(node, `/ipfs/${cid.toString()}`, { "if-none-match": `"${cid.toString()}"` });
    expect(response.status).toBe(406);
  });

  test("of a listing, an index.html and a file carries what the 200 would", async () => {
    await using node = await startContent();
    const dag = await makeDag({ "d/list/x": "x", "d/site/index.html": "<p>" });
    await node.vault.put(dag.blocks);
    for (const path of ["/list/", "/site/", "/list/x"]) {
      const full = await get(node, `/ipfs/${dag.root}${path}`);
      const tag = full.headers.get("etag") ?? "";
      for (const sent of [tag, `W/${tag}`, `"a", ${tag}`]) {
        const answer = await get(node, `/ipfs/${dag.root}${path}`, { "if-none-match": sent });
        expect([path, answer.status, await answer.text()]).toEqual([path, 304, ""]);
        for (const header of ["etag", "cache-control", "vary", "x-ipfs-path", "x-ipfs-roots"]) {
          expect([header, answer.headers.get(header)]).toEqual([header, full.headers.get(header)]);
        }
      }
      await full.arrayBuffer();
    }
  });
});

describe("only-if-cached (gotcha 22)", () => {
  test("counts only when it stands alone, and is the same for every format", async () => {
    const source = new ScriptedSource("s");
    await using node = await startContent({ sources: [source] });
    const absent = `/ipfs/${blockOf("absent").cid.toString()}`;
    for (const query of ["", "?format=raw", "?format=car", "?format=tar"]) {
      for (const method of ["GET", "HEAD"]) {
        const response = await get(node, absent + query, { "cache-control": "only-if-cached" }, method);
        expect([query, method, response.status]).toEqual([query, method, 412]);
        expect(response.headers.get("cache-control")).toBe("no-store");
        expect(method === "HEAD" ? await response.text() : "").toBe("");
      }
    }
    expect(source.asked).toHaveLength(0);
    expect((await get(node, absent, { "cache-control": "no-store, only-if-cached" })).status).toBe(404);
    expect(source.asked).toHaveLength(1);
  });

  test("is 412 for a name of which no record is held, too, and asks nobody for it", async () => {
    const router = new ScriptedRouter();
    await using node = await startContent({ routers: [router] });
    const path = `/ipns/${createTestName().name.text}`;
    for (const query of ["", "?format=ipns-record"]) {
      const response = await get(node, path + query, { "cache-control": "only-if-cached" });
      expect([query, response.status]).toEqual([query, 412]);
    }
    expect(router.getCount).toBe(0);
  });
});
