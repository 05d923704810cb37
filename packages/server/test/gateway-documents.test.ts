import * as dagCbor from "@ipld/dag-cbor";
import * as dagJson from "@ipld/dag-json";
import { describe, expect, test } from "vitest";
import type { Block } from "../src/content/block-store.ts";
import { blockOf } from "./support/blocks.ts";
import { bytesFrom, codecBlock, comparableHeaders, get, makeDag } from "./support/gateway.ts";
import { startContent } from "./support/start-content.ts";

const JSON_CODEC = 0x0200;
const CBOR = 0x51;
const BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8";

const hello = dagCbor.encode({ hello: "this is not a link" });
const leaf = codecBlock(0x71, hello);
const middleCbor = codecBlock(0x71, dagCbor.encode({ bar: leaf.cid, list: [1, [leaf.cid]], none: null }));
const documents = {
  "dag-cbor": codecBlock(0x71, dagCbor.encode({ foo: { link: middleCbor.cid }, text: "x" })),
  "dag-json": codecBlock(0x0129, dagJson.encode({ foo: { link: middleCbor.cid }, text: "x" })),
  cbor: codecBlock(CBOR, dagCbor.encode({ plain: true })),
  json: codecBlock(JSON_CODEC, Buffer.from('{ "plain" : true }')),
} as const;
const all: Block[] = [leaf, middleCbor, ...Object.values(documents)];

async function start() {
  const node = await startContent();
  await node.vault.put(all);
  return node;
}

describe.for([
  ["dag-cbor", "application/vnd.ipld.dag-cbor", "attachment", "cbor"],
  ["dag-json", "application/vnd.ipld.dag-json", "inline", "json"],
  ["cbor", "application/cbor", "attachment", "cbor"],
  ["json", "application/json", "inline", "json"],
] as const)("a %s block", ([codec, mediaType, kind, extension]) => {
  const block = documents[codec];
  const cid = block.cid.toString();

  test("is answered as it is, whether it is asked for or not", async () => {
    await using node = await start();
    for (const [query, accept] of [
      ["", "*/*"],
      [`?format=${codec}`, "*/*"],
      ["", mediaType],
    ] as const) {
      const response = await get(node, `/ipfs/${cid}${query}`, { accept });
      expect(Object.fromEntries(response.headers)).toMatchObject({
        "content-type": mediaType,
        "content-length": String(block.bytes.byteLength),
        "content-disposition": expect.stringContaining(`${kind}; filename="${cid}.${extension}"`),
        etag: `"${cid}.${codec}"`,
        "cache-control": "public, max-age=29030400, immutable",
        "x-content-type-options": "nosniff",
        "x-ipfs-roots": cid,
      });
      expect(Buffer.compare(await bytesFrom(response), block.bytes)).toBe(0);
    }
  });

  test("can be asked for in part, and its name can be chosen", async () => {
    await using node = await start();
    const part = await get(node, `/ipfs/${cid}`, { range: "bytes=1-2" });
    expect([part.status, part.headers.get("content-type")]).toEqual([206, mediaType]);
    expect(Buffer.compare(await bytesFrom(part), block.bytes.subarray(1, 3))).toBe(0);
    const named = await get(node, `/ipfs/${cid}?filename=foobar.${extension}&download=true`);
    expect(named.headers.get("content-disposition")).toContain(`attachment; filename="foobar.${extension}"`);
  });

  test("as plain JSON or CBOR has the same bytes under the plain type and another tag", async () => {
    await using node = await start();
    const response = await get(node, `/ipfs/${cid}?format=${extension}`);
    expect(response.headers.get("content-type")).toBe(`application/${extension}`);
    expect(response.headers.get("etag")).toBe(`"${cid}.${extension}"`);
    expect(Buffer.compare(await bytesFrom(response), block.bytes)).toBe(0);
  });

  test("is never converted: another codec is 406 with a hint, and not cached for other formats (gotcha 20)", async () => {
    await using node = await start();
    const possible: readonly string[] = [codec, extension];
    for (const format of ["dag-json", "dag-cbor", "json", "cbor"].filter((one) => !possible.includes(one))) {
      const response = await get(node, `/ipfs/${cid}?format=${format}`);
      expect([format, response.status, response.headers.get("cache-control")]).toEqual([
        format,
        406,
        "no-store",
      ]);
      expect(await response.text()).toContain("?format=raw");
      for (const query of ["", `?format=${codec}`, "?format=raw"]) {
        const other = await get(node, `/ipfs/${cid}${query}`);
        expect([query, other.status]).toEqual([query, 200]);
        expect((await bytesFrom(other)).equals(block.bytes)).toBe(true);
      }
    }
  });
});

describe("a browser", () => {
  test.for(["dag-cbor", "dag-json"] as const)("is shown a %s block as a page", async (codec) => {
    await using node = await start();
    const cid = documents[codec].cid.toString();
    const redirect = await get(node, `/ipfs/${cid}?a=b`, { accept: BROWSER });
    expect([redirect.status, redirect.headers.get("location")]).toEqual([301, `/ipfs/${cid}/?a=b`]);
    expect(redirect.headers.get("vary")).toBe("Accept");
    const response = await get(node, `/ipfs/${cid}/`, { accept: BROWSER });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      etag: expect.stringMatching(`^"DagIndex-.*_CID-${cid}"$`),
      vary: "Accept",
      "cache-control": "public, max-age=604800, stale-while-revalidate=2678400",
      "content-security-policy": expect.stringContaining("default-src 'none'"),
    });
    expect(response.headers.has("content-disposition")).toBe(false);
    expect(await response.text()).toContain(`href="/ipfs/${middleCbor.cid.toString()}"`);
    const head = await get(node, `/ipfs/${cid}/`, { accept: BROWSER }, "HEAD");
    expect(comparableHeaders(head)).toEqual(comparableHeaders(response));
  });

  test("that wants to save it, or names a format, gets the block; plain JSON is shown as it is", async () => {
    await using node = await start();
    const cid = documents["dag-json"].cid.toString();
    for (const query of ["?download=true", "?format=dag-json"]) {
      const response = await get(node, `/ipfs/${cid}${query}`, { accept: BROWSER });
      expect(response.headers.get("content-type")).toBe("application/vnd.ipld.dag-json");
    }
    const plain = await get(node, `/ipfs/${documents.json.cid.toString()}`, { accept: BROWSER });
    expect(plain.headers.get("content-type")).toBe("application/json");
  });

  test("R16: the tag of the page does not match the block, nor the other way round", async () => {
    await using node = await start();
    const cid = documents["dag-cbor"].cid.toString();
    const page = await get(node, `/ipfs/${cid}/`, { accept: BROWSER });
    const tag = page.headers.get("etag") ?? "";
    expect((await get(node, `/ipfs/${cid}/`, { "if-none-match": tag })).status).toBe(200);
    expect(
      (await get(node, `/ipfs/${cid}/`, { accept: BROWSER, "if-none-match": `"${cid}.dag-cbor"` })).status,
    ).toBe(200);
    expect((await get(node, `/ipfs/${cid}/`, { accept: BROWSER, "if-none-match": tag })).status).toBe(304);
  });
});

describe("a path into a document", () => {
  test.for(["dag-cbor", "dag-json"] as const)(
    "of %s follows links through maps and lists, across codecs",
    async (codec) => {
      await using node = await start();
      const root = documents[codec].cid.toString();
      const response = await get(node, `/ipfs/${root}/foo/link/list/1/0`);
      expect(Buffer.compare(await bytesFrom(response), hello)).toBe(0);
      const [middle, last] = [middleCbor.cid.toString(), leaf.cid.toString()];
      // One for the root and one for each name, as boxo counts them.
      expect(response.headers.get("x-ipfs-roots")).toBe([root, root, middle, middle, middle, last].join(","));
      expect(response.headers.get("etag")).toBe(`"${last}.dag-cbor"`);
    },
  );

  test.for([
    ["foo", 501],
    ["text", 501],
    ["foo/link/none", 501],
    ["foo/link/list/0", 501],
    ["absent", 404],
    ["foo/absent", 404],
    ["text/length", 404],
    ["foo/link/list/9", 404],
    ["foo/link/bar/hello/x", 404],
    ["constructor", 404],
  ] as const)("%s is %i", async ([path, status]) => {
    await using node = await start();
    for (const codec of ["dag-cbor", "dag-json"] as const) {
      for (const query of ["", `?format=${codec}`]) {
        const response = await get(node, `/ipfs/${documents[codec].cid.toString()}/${path}${query}`);
        // The field that ends in another codec's block cannot be given in this one: still no 200.
        const expected =
          query !== "" && path.startsWith("foo/link") && codec === "dag-json" && status === 501
            ? 406
            : status;
        expect([codec, query, response.status]).toEqual([codec, query, expected]);
        expect(response.headers.get("cache-control")).toBe("no-store");
      }
    }
  });

  test("of plain CBOR and JSON finds fields, too", async () => {
    await using node = await start();
    for (const codec of ["cbor", "json"] as const) {
      expect((await get(node, `/ipfs/${documents[codec].cid.toString()}/plain`)).status).toBe(501);
      expect((await get(node, `/ipfs/${documents[codec].cid.toString()}/absent`)).status).toBe(404);
    }
  });

  test("of a block that is not valid in its codec is 406, and its bytes can be had", async () => {
    await using node = await start();
    const broken = codecBlock(0x71, Buffer.from([0xff]));
    await node.vault.put([broken]);
    expect((await get(node, `/ipfs/${broken.cid.toString()}/x`)).status).toBe(406);
    expect((await get(node, `/ipfs/${broken.cid.toString()}/`, { accept: BROWSER })).status).toBe(406);
    expect((await get(node, `/ipfs/${broken.cid.toString()}?format=raw`)).status).toBe(200);
  });
});

describe("a file that is JSON", () => {
  test("is application/json with and without a name or an Accept header, and has one tag", async () => {
    await using node = await startContent();
    const dag = await makeDag({ x: '{"hello": "world"}' });
    await node.vault.put(dag.blocks);
    for (const [query, accept] of [
      ["", "*/*"],
      ["", "application/json"],
      ["?format=json", "application/vnd.ipld.raw"],
    ] as const) {
      const response = await get(node, `/ipfs/${dag.root}${query}`, { accept });
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(response.headers.get("etag")).toBe(`"${dag.root}"`);
      expect(await response.text()).toBe('{"hello": "world"}');
    }
  });

  test("and every other file is 406 as dag-json or dag-cbor", async () => {
    await using node = await startContent();
    const raw = blockOf('{"a":1}');
    const dag = await makeDag({ x: "text" });
    await node.vault.put([raw, ...dag.blocks]);
    for (const cid of [raw.cid.toString(), dag.root]) {
      for (const format of ["dag-json", "dag-cbor"]) {
        expect((await get(node, `/ipfs/${cid}?format=${format}`)).status).toBe(406);
        expect((await get(node, `/ipfs/${cid}`, { accept: `application/vnd.ipld.${format}` })).status).toBe(
          406,
        );
      }
    }
  });
});
