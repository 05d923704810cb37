import { request as httpRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { formatIpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import type { Block } from "../src/content/block-store.ts";
import { bytesOf, blockOf, cidOf } from "./support/blocks.ts";
import { damageVault } from "./support/damage-vault.ts";
import { createTestName, makeRecord, type TestKey } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { bytesFrom, comparableHeaders, get, makeDag } from "./support/gateway.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

const IMMUTABLE = "public, max-age=29030400, immutable";

describe("files", () => {
  test("have the headers that caches and clients need", async () => {
    await using node = await startContent();
    const { root, blocks, cidOfPath } = await makeDag({ "d/a.txt": "hello" });
    await node.vault.put(blocks);
    const response = await get(node, `/ipfs/${root}/a.txt`);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("hello");
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "content-length": "5",
      "cache-control": IMMUTABLE,
      etag: `"${cidOfPath("d/a.txt")}"`,
      "x-ipfs-path": `/ipfs/${root}/a.txt`,
      "x-ipfs-roots": `${root},${cidOfPath("d/a.txt")}`,
      "accept-ranges": "bytes",
      "access-control-allow-origin": "*",
    });
    expect(response.headers.has("content-disposition")).toBe(false);
    // Browsers would refuse to run a script whose name has no extension.
    expect(response.headers.has("x-content-type-options")).toBe(false);
  });

  test.for([0, 1, 262_144, 1_048_576, 1_048_577, 3_000_000])(
    "of %i bytes are whole, and HEAD says the same",
    async (size) => {
      await using node = await startContent();
      const bytes = bytesOf(size);
      const { root, blocks } = await makeDag({ x: bytes });
      await node.vault.put(blocks);
      const response = await get(node, `/ipfs/${root}`, { "accept-encoding": "gzip, br" });
      expect(response.headers.has("content-encoding")).toBe(false);
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      expect(Buffer.compare(await bytesFrom(response), bytes)).toBe(0);
      const head = await get(node, `/ipfs/${root}`, {}, "HEAD");
      expect(comparableHeaders(head)).toEqual(comparableHeaders(response));
      expect(head.headers.get("content-length")).toBe(String(size));
      expect(await head.text()).toBe("");
    },
  );

  test("gotcha 20: as raw leaves, as inlined CIDs, and empty ones, without any network", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ x: "raw" }, "cid-version=1");
    await node.vault.put(blocks);
    expect(await (await get(node, `/ipfs/${root}`)).text()).toBe("raw");
    for (const path of ["/ipfs/bafkqaaa", "/ipfs/bafkqaaa?format=raw"]) {
      const response = await get(node, path);
      expect([path, response.status, await response.text()]).toEqual([path, 200, ""]);
    }
    expect(await (await get(node, "/ipfs/bafkqaf3imvwgy3zaneqgc3janfxgy2lomvscay3jmqfa")).text()).toContain(
      "inlined cid",
    );
    expect((await get(node, "/ipfs/bafyaabakaieac/")).status).toBe(200);
  });

  test("R24: the block of another codec's CID is found by its bytes", async () => {
    await using node = await startContent();
    const block = blockOf("the same bytes");
    await node.vault.put([block]);
    const asCbor = cidOf(block.bytes, 0x71).toString();
    const response = await get(node, `/ipfs/${asCbor}?format=raw`);
    expect(await response.text()).toBe("the same bytes");
    expect(response.headers.get("etag")).toBe(`"${asCbor}.raw"`);
  });

  test("take their type from ?filename, which also names the download", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ x: "body {}" });
    await node.vault.put(blocks);
    const response = await get(node, `/ipfs/${root}?filename=te%20ст.css&download=true`);
    expect(response.headers.get("content-type")).toBe("text/css; charset=utf-8");
    expect(response.headers.get("content-disposition")).toBe(
      `attachment; filename="te __.css"; filename*=UTF-8''te%20%D1%81%D1%82.css`,
    );
    expect((await get(node, `/ipfs/${root}?filename=x`)).headers.get("content-disposition")).toMatch(
      /^inline;/,
    );
    expect((await get(node, `/ipfs/${root}?download=true`)).headers.get("content-disposition")).toBe(
      "attachment",
    );
  });

  test("are answered 304 when the client has them, with the tag and the lifetime", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ x: "hello" });
    await node.vault.put(blocks);
    for (const tag of [`"${root}"`, `W/"${root}"`, `"other", "${root}"`, "*"]) {
      const response = await get(node, `/ipfs/${root}`, { "if-none-match": tag });
      expect([tag, response.status, await response.text()]).toEqual([tag, 304, ""]);
      expect(response.headers.get("etag")).toBe(`"${root}"`);
      expect(response.headers.get("cache-control")).toBe(IMMUTABLE);
    }
    expect((await get(node, `/ipfs/${root}`, { "if-none-match": '"other"' })).status).toBe(200);
  });

  test("a raw block has its own tag and a download name, and Accept is told its URL", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ x: "hello" });
    await node.vault.put(blocks);
    const block = Buffer.from(blocks[0]?.bytes ?? []);
    const byQuery = await get(node, `/ipfs/${root}?format=raw`);
    expect(await bytesFrom(byQuery)).toEqual(block);
    expect(Object.fromEntries(byQuery.headers)).toMatchObject({
      "content-type": "application/vnd.ipld.raw",
      etag: `"${root}.raw"`,
      "content-disposition": expect.stringContaining(`attachment; filename="${root}.bin"`),
    });
    expect(byQuery.headers.has("vary")).toBe(false);
    const byAccept = await get(node, `/ipfs/${root}?a=b`, { accept: "application/vnd.ipld.raw" });
    expect(await bytesFrom(byAccept)).toEqual(block);
    expect(byAccept.headers.get("vary")).toBe("Accept");
    expect(byAccept.headers.get("content-location")).toBe(`/ipfs/${root}?a=b&format=raw`);
  });

  test("R16: the tag of one representation does not match another", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ x: "hello" });
    await node.vault.put(blocks);
    expect((await get(node, `/ipfs/${root}?format=raw`, { "if-none-match": `"${root}"` })).status).toBe(200);
    expect((await get(node, `/ipfs/${root}`, { "if-none-match": `"${root}.raw"` })).status).toBe(200);
  });
});

describe("ranges", () => {
  const bytes = bytesOf(700_000);

  test.for([
    ["bytes=0-0", 0, 0],
    ["bytes=-1", 699_999, 699_999],
    ["bytes=262140-262150", 262_140, 262_150],
    ["bytes=5-", 5, 699_999],
    ["bytes=-100000", 600_000, 699_999],
    ["bytes=0-99999999", 0, 699_999],
  ] as const)("%s", async ([range, first, last]) => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ x: bytes });
    await node.vault.put(blocks);
    const response = await get(node, `/ipfs/${root}`, { range });
    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe(`bytes ${first}-${last}/700000`);
    expect(response.headers.get("content-length")).toBe(String(last - first + 1));
    expect(Buffer.compare(await bytesFrom(response), bytes.subarray(first, last + 1))).toBe(0);
    expect((await bytesFrom(await get(node, `/ipfs/${root}`))).byteLength).toBe(700_000);
  });

  test("behind the end: 416; malformed: 400; If-Range of another version: everything", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ x: "hello" });
    await node.vault.put(blocks);
    const behind = await get(node, `/ipfs/${root}`, { range: "bytes=999999999-" });
    expect([behind.status, behind.headers.get("content-range")]).toEqual([416, "bytes */5"]);
    expect(behind.headers.get("cache-control")).toBe("no-store");
    expect((await get(node, `/ipfs/${root}`, { range: "bytes=foo" })).status).toBe(400);
    expect((await get(node, `/ipfs/${root}`, { range: "bytes=0-1", "if-range": '"old"' })).status).toBe(200);
    expect((await get(node, `/ipfs/${root}`, { range: "bytes=0-1", "if-range": `"${root}"` })).status).toBe(
      206,
    );
  });

  test("only the blocks that hold the range are retrieved", async () => {
    const { root, blocks } = await makeDag({ x: bytesOf(5_000_000) });
    const source = new ScriptedSource("s", blocks);
    await using node = await startContent({ sources: [source] });
    const response = await get(node, `/ipfs/${root}?filename=x.bin`, { range: "bytes=2500000-2500010" });
    expect(Buffer.compare(await bytesFrom(response), bytesOf(5_000_000).subarray(2_500_000, 2_500_011))).toBe(
      0,
    );
    // The root and the leaf; not the first leaf, which would tell the type but which nobody may have.
    expect(source.asked).toHaveLength(2);
    expect(source.asked[1]?.root?.toString()).toBe(root);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
  });
});

describe("directories", () => {
  test("redirect to their slash, keeping the query and the escapes", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ "d/ü b/x": "x" });
    await node.vault.put(blocks);
    const response = await get(node, `/ipfs/${root}/%C3%BC%20b?a=b&c=%2F`);
    expect([response.status, response.headers.get("location")]).toEqual([
      301,
      `/ipfs/${root}/%C3%BC%20b/?a=b&c=%2F`,
    ]);
  });

  test("show their index.html with the directory's own tag", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ "d/index.html": "<p>hi", "d/x": "x" });
    await node.vault.put(blocks);
    const response = await get(node, `/ipfs/${root}/`);
    expect(await response.text()).toBe("<p>hi");
    expect(response.headers.get("content-type")).toBe("text/html");
    expect(response.headers.get("etag")).toBe(`"${root}"`);
    expect(response.headers.get("x-ipfs-roots")).toBe(root);
  });

  test("are listed otherwise, escaped, with links that lead to the entries", async () => {
    await using node = await startContent();
    const names = ["a b.txt", "50%.txt", "<script>.txt", "q?.txt", "ü#.txt", "a&b'\".txt"];
    const { root, blocks } = await makeDag(
      Object.fromEntries(names.map((name) => [`d/${name}`, `content of ${name}`])),
    );
    await node.vault.put(blocks);
    const response = await get(node, `/ipfs/${root}/`);
    expect(response.headers.get("cache-control")).toBe(
      "public, max-age=604800, stale-while-revalidate=2678400",
    );
    const page = await response.text();
    expect(page).toContain("Index of");
    expect(page).not.toContain("<script>");
    const links = [...page.matchAll(/class="name"><a href="([^"]*)"/g)].map(([, href = ""]) =>
      unescaped(href),
    );
    expect(links).toHaveLength(names.length);
    const contents = await Promise.all(links.map(async (href) => (await get(node, href)).text()));
    expect(contents.toSorted()).toEqual(names.map((name) => `content of ${name}`).toSorted());
    const etag = response.headers.get("etag") ?? "";
    expect(etag).toContain(root.toString());
    expect((await get(node, `/ipfs/${root}/`, { "if-none-match": etag })).status).toBe(304);
  });

  test("that are sharded are walked and listed", async () => {
    await using node = await startContent();
    const files: Record<string, string> = {};
    for (let i = 0; i < 1200; i++) files[`d/${`${i}`.padStart(200, "n")}`] = `file ${i}`;
    files["d/back\\slash"] = "odd";
    const { root, blocks } = await makeDag(files);
    await node.vault.put(blocks);
    for (const i of [0, 17, 1199]) {
      expect(await (await get(node, `/ipfs/${root}/${`${i}`.padStart(200, "n")}`)).text()).toBe(`file ${i}`);
    }
    expect(await (await get(node, `/ipfs/${root}/back%5Cslash`)).text()).toBe("odd");
    expect((await get(node, `/ipfs/${root}/absent`)).status).toBe(404);
    expect((await (await get(node, `/ipfs/${root}/`)).text()).match(/<tr>/g)).toHaveLength(1201);
  }, 60_000);

  test("an index.html that is a directory cannot be shown", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({ "d/index.html/x": "x" });
    await node.vault.put(blocks);
    expect((await get(node, `/ipfs/${root}/`)).status).toBe(422);
  });
});

describe("paths", () => {
  test("are decoded exactly once and never normalised", async () => {
    await using node = await startContent();
    const { root, blocks } = await makeDag({
      "d/a%2Cb": "literal",
      "d/a,b": "comma",
      "d/x/y": "y",
      "d/España=1": "n",
    });
    await node.vault.put(blocks);
    expect(await (await get(node, `/ipfs/${root}/a%252Cb`)).text()).toBe("literal");
    expect(await (await get(node, `/ipfs/${root}/a%2Cb`)).text()).toBe("comma");
    expect(await (await get(node, `/ipfs/${root}//x//y`)).text()).toBe("y");
    const spanish = await get(node, `/ipfs/${root}/Espa%C3%B1a=1`);
    expect(Buffer.from(spanish.headers.get("x-ipfs-path") ?? "", "latin1").toString()).toBe(
      `/ipfs/${root}/España=1`,
    );
    for (const escape of ["..", "%2e%2e", "x/..", "."]) {
      const answer = await node.raw(
        `GET /ipfs/${root}/${escape}/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    }
  });

  test.for([
    ["/ipfs/", 400],
    ["/ipfs/notacid", 400],
    ["/ipfs/QmInvalidCID", 400],
    ["/ipfs/%zz", 400],
    ["/ipns/", 400],
    ["/ipns/notaname!", 400],
    [`/ipfs/${"b".repeat(5000)}`, 400],
    ["/ipfs/bafkqaaa/below", 404],
    ["/ipfs/bafkqaaa?format=dag-json", 406],
    [`/ipfs/${cidOf(new Uint8Array(), 0x78).toString()}`, 406],
    [`/ipfs/${cidOf(new Uint8Array(), 0x78).toString()}/below`, 406],
  ] as const)("%s: %i, never cacheable (P7)", async ([path, status]) => {
    await using node = await startContent();
    const response = await get(node, path);
    expect(response.status).toBe(status);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.has("etag")).toBe(false);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    const page = await get(node, path, { accept: "text/html" });
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
  });

  test("other methods are refused", async () => {
    await using node = await startContent();
    const response = await get(node, "/ipfs/bafkqaaa", {}, "POST");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toMatch(/GET, HEAD/);
  });
});

describe("only-if-cached", () => {
  test("gotcha 22: asks nobody: 412 in no time, and what is held is answered", async () => {
    const { root, blocks } = await makeDag({ "d/a": "held", "d/b": "not held" });
    const source = new ScriptedSource("s");
    source.behaviour = "hangs";
    await using node = await startContent({ sources: [source] });
    const ask = (path: string, method = "GET") =>
      get(node, path, { "cache-control": "only-if-cached" }, method);
    for (const method of ["GET", "HEAD"]) {
      const response = await ask(`/ipfs/${root}/a`, method);
      expect([method, response.status, response.headers.get("cache-control")]).toEqual([
        method,
        412,
        "no-store",
      ]);
    }
    await node.vault.put(
      blocks.filter(({ cid }) => cid.toString() !== cidOfText(blocks, "not held").toString()),
    );
    expect(await (await ask(`/ipfs/${root}/a`)).text()).toBe("held");
    expect((await ask(`/ipfs/${root}/b`)).status).toBe(412);
    expect(source.asked).toHaveLength(0);
  });
});

function unescaped(html: string): string {
  return html.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
}

function cidOfText(blocks: readonly Block[], text: string): CID {
  const block = blocks.find(({ bytes }) => Buffer.from(bytes).includes(text));
  if (block === undefined) throw new Error(`no block has "${text}"`);
  return block.cid;
}

describe("retrieval from a hostile or weak network", () => {
  test("gotcha 21, R17, R19: wrong bytes are never served and never kept, and a second source makes it whole", async () => {
    const bytes = bytesOf(2_000_000);
    const { root, blocks } = await makeDag({ x: bytes });
    const liar = new ScriptedSource("liar", blocks);
    liar.behaviour = "lies";
    const honest = new ScriptedSource("honest", blocks);
    await using node = await startContent({ sources: [liar, honest] });
    const response = await get(node, `/ipfs/${root}`);
    expect(Buffer.compare(await bytesFrom(response), bytes)).toBe(0);
    expect(node.http.metrics.content.blocksCorrupt).toBe(liar.asked.length);
  });

  test.for(["lies", "truncates", "fails", "away"] as const)(
    "gotcha 21, P7: a root that only a source that %s has is an error that no cache keeps, and is right once it recovers",
    async (behaviour) => {
      const { root, blocks } = await makeDag({ x: "hello" });
      const source = new ScriptedSource("s", blocks);
      source.behaviour = behaviour;
      await using node = await startContent({ sources: [source] });
      const response = await get(node, `/ipfs/${root}`);
      expect(response.status).toBe(503);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(response.headers.has("etag")).toBe(false);
      source.behaviour = "honest";
      expect(await (await get(node, `/ipfs/${root}`)).text()).toBe("hello");
    },
  );

  test.for(["lies", "fails", "hangs"] as const)(
    // Its head is that of every file, `immutable` included (HTTP contract): no cache takes a body that broke for a whole one.
    "gotcha 21, P8: a leaf that %s after the body has begun breaks the transfer, and the next request is whole",
    async (behaviour) => {
      const bytes = bytesOf(6_000_000);
      const { root, blocks } = await makeDag({ x: bytes });
      const source = new ScriptedSource("s", blocks);
      const lastLeaf = blocks.findLast((block) => block.bytes.byteLength > 100_000) ?? blockOf("");
      source.behaveFor(lastLeaf.cid, behaviour);
      await using node = await startContent({ sources: [source], retrievalTimeoutMs: 300 });
      const response = await get(node, `/ipfs/${root}`);
      expect(response.status).toBe(200);
      await expect(response.arrayBuffer()).rejects.toThrow("terminated");
      source.exceptions.clear();
      expect(Buffer.compare(await bytesFrom(await get(node, `/ipfs/${root}`)), bytes)).toBe(0);
    },
  );

  test("a file whose first leaf fails gets a proper status, because nothing was sent", async () => {
    const { root, blocks } = await makeDag({ x: bytesOf(600_000) });
    const source = new ScriptedSource("s", blocks);
    const leaf = blocks.find((block) => block.bytes.byteLength > 50_000) ?? blockOf("");
    source.behaveFor(leaf.cid, "lies");
    await using node = await startContent({ sources: [source] });
    expect((await get(node, `/ipfs/${root}`)).status).toBe(503);
  });

  test("without progress the answer is 504 and the source is stopped", async () => {
    const source = new ScriptedSource("s");
    source.behaviour = "hangs";
    await using node = await startContent({ sources: [source], retrievalTimeoutMs: 100 });
    const response = await get(node, `/ipfs/${blockOf("nowhere").cid.toString()}`);
    expect(response.status).toBe(504);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(source.asked[0]?.signal.aborted).toBe(true);
  });

  test("absent content is 404", async () => {
    await using node = await startContent({ sources: [new ScriptedSource("s")] });
    expect((await get(node, `/ipfs/${blockOf("nowhere").cid.toString()}`)).status).toBe(404);
  });

  test("a client that goes away stops the retrieval", async () => {
    const source = new ScriptedSource("s");
    source.behaviour = "hangs";
    await using node = await startContent({ sources: [source] });
    const leaving = new AbortController();
    const read = fetch(`${node.url}/ipfs/${blockOf("nowhere").cid.toString()}`, { signal: leaving.signal });
    await until(() => expect(source.asked).toHaveLength(1));
    leaving.abort();
    await expect(read).rejects.toThrow("aborted");
    await until(() => expect(source.asked[0]?.signal.aborted).toBe(true));
  });

  test("50 parallel readers of one cold CID cost one retrieval", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    const source = new ScriptedSource("s", blocks);
    source.hold();
    await using node = await startContent({ sources: [source] });
    const reads = Array.from({ length: 50 }, async () => (await get(node, `/ipfs/${root}`)).text());
    await until(() => expect(node.http.metrics.http.requests).toBe(50));
    source.release();
    expect(new Set(await Promise.all(reads))).toEqual(new Set(["hello"]));
    expect(source.asked).toHaveLength(1);
  });

  test("P6: held content is served while retrievals hang", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    const source = new ScriptedSource("s");
    source.behaviour = "hangs";
    await using node = await startContent({ sources: [source] });
    await node.vault.put(blocks);
    const leaving = new AbortController();
    const hanging = Array.from({ length: 20 }, (_, i) =>
      fetch(`${node.url}/ipfs/${blockOf(`nowhere ${i}`).cid.toString()}`, { signal: leaving.signal }).catch(
        () => "left",
      ),
    );
    await until(() => expect(source.asked).toHaveLength(20));
    expect(await (await get(node, `/ipfs/${root}`)).text()).toBe("hello");
    leaving.abort();
    await Promise.all(hanging);
  });

  test("R17: a corrupt file in the vault is not an answer; a source makes up for it", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    const source = new ScriptedSource("s", blocks);
    await using node = await startContent({ sources: [source] });
    await node.vault.put(blocks);
    await damageVault(node.vaultDirectory);
    expect(await (await get(node, `/ipfs/${root}`)).text()).toBe("hello");
    expect(source.asked).toHaveLength(1);
  });

  test("a client that reads slowly is waited for without filling memory, and gets everything", async () => {
    const bytes = bytesOf(30_000_000);
    const { root, blocks } = await makeDag({ x: bytes });
    const source = new ScriptedSource("s", blocks);
    await using node = await startContent({ sources: [source] });
    const request = httpRequest(`${node.url}/ipfs/${root}`);
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.pause();
    // It stands still although most of the file has not been read from the source.
    const settled = await until(async () => {
      const before = source.asked.length;
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(source.asked.length).toBe(before);
      return before;
    });
    expect(settled).toBeLessThan(100);
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0);
  }, 30_000);
});

describe("/ipns", () => {
  async function publish(node: TestContent, key: TestKey, value: string, sequence: bigint, ttlNs?: bigint) {
    const bytes = await makeRecord(key, { value, sequence, ...(ttlNs === undefined ? {} : { ttlNs }) });
    await node.http.records.publish(key.name, bytes, { origin: "client" });
  }

  test("R18: answers from the very record that was stored last; an old tag no longer matches", async () => {
    await using node = await startContent();
    const key = createTestName();
    const [a, b] = [await makeDag({ x: "first" }), await makeDag({ x: "second" })];
    await node.vault.put([...a.blocks, ...b.blocks]);
    await publish(node, key, `/ipfs/${a.root}`, 1n);
    const first = await get(node, `/ipns/${key.name.text}`);
    expect(await first.text()).toBe("first");
    await publish(node, key, `/ipfs/${b.root}`, 2n);
    const second = await get(node, `/ipns/${key.name.text}`, {
      "if-none-match": first.headers.get("etag") ?? "",
    });
    expect([second.status, await second.text()]).toEqual([200, "second"]);
    expect(second.headers.get("x-ipfs-path")).toBe(`/ipns/${key.name.text}`);
    expect(second.headers.get("x-ipfs-roots")).toBe(b.root);
  });

  test.for([
    [60_000_000_000n, 30],
    [10_000_000_000n, 10],
    [1_000_000n, 0],
  ] as const)("with a TTL of %i ns may be cached for %i s", async ([ttlNs, maxAgeS]) => {
    await using node = await startContent();
    const key = createTestName();
    const { root, blocks } = await makeDag({ x: "hello" });
    await node.vault.put(blocks);
    await publish(node, key, `/ipfs/${root}`, 1n, ttlNs);
    const response = await get(node, `/ipns/${key.name.text}`);
    expect(response.headers.get("cache-control")).toBe(`public, max-age=${maxAgeS}`);
  });

  test("every spelling of a name, a path in the record, a path behind the name, and a name behind a name", async () => {
    await using node = await startContent();
    const [key, alias] = [createTestName(), createTestName()];
    const { root, blocks } = await makeDag({ "d/site/p/a.txt": "hello", "d/site/100%.txt": "percent" });
    await node.vault.put(blocks);
    await publish(node, key, `/ipfs/${root}/site`, 1n);
    await publish(node, alias, `/ipns/${key.name.text}/p`, 1n);
    for (const base of ["base36", "base32", "base58btc"] as const) {
      const response = await fetch(`${node.url}/ipns/${formatIpnsName(key.name, base)}/p/a.txt`);
      expect([base, await response.text()]).toEqual([base, "hello"]);
    }
    expect(await (await get(node, `/ipns/${alias.name.text}/a.txt`)).text()).toBe("hello");
    expect(await (await get(node, `/ipns/${key.name.text}/100%25.txt`)).text()).toBe("percent");
    const redirect = await get(node, `/ipns/${key.name.text}?x=y`);
    expect([redirect.status, redirect.headers.get("location")]).toEqual([301, `/ipns/${key.name.text}/?x=y`]);
  });

  test("an unknown name is 404, a malformed one 400, a loop an error, none of them cacheable", async () => {
    await using node = await startContent({ routers: [new ScriptedRouter()] });
    const [a, b] = [createTestName(), createTestName()];
    await publish(node, a, `/ipns/${b.name.text}`, 1n);
    await publish(node, b, `/ipns/${a.name.text}`, 1n);
    for (const [name, status] of [
      [createTestName().name.text, 404],
      ["12D3KooWnonsense", 400],
      [a.name.text, 400],
    ] as const) {
      const response = await get(node, `/ipns/${name}`);
      expect([name, response.status, response.headers.get("cache-control")]).toEqual([
        name,
        status,
        "no-store",
      ]);
    }
  });

  test("without a network to ask, an unknown name may exist: 503, and routing says the same as ever", async () => {
    await using node = await startContent();
    const name = createTestName().name.text;
    const response = await get(node, `/ipns/${name}`);
    expect([response.status, response.headers.get("cache-control")]).toEqual([503, "no-store"]);
    expect((await get(node, `/api/v0/routing/get?arg=/ipns/${name}`)).status).toBe(404);
  });

  test.for([{ "x-no-cache": "1" }, { "cache-control": "no-cache" }] as Record<string, string>[])(
    "gotcha 24: %o asks the network first",
    async (headers) => {
      const router = new ScriptedRouter();
      await using node = await startContent({ routers: [router] });
      const key = createTestName();
      const [old, newer] = [await makeDag({ x: "old" }), await makeDag({ x: "newer" })];
      await node.vault.put([...old.blocks, ...newer.blocks]);
      await publish(node, key, `/ipfs/${old.root}`, 1n);
      router.records.set(key.name.text, [
        await makeRecord(key, { value: `/ipfs/${newer.root}`, sequence: 2n }),
      ]);
      expect(await (await get(node, `/ipns/${key.name.text}`)).text()).toBe("old");
      expect(await (await get(node, `/ipns/${key.name.text}`, headers)).text()).toBe("newer");
    },
  );
});
