import * as dagCbor from "@ipld/dag-cbor";
import { describe, expect, test } from "vitest";
import { blockOf } from "./support/blocks.ts";
import { bytesFrom, carCids, codecBlock, comparableHeaders, get, makeDag } from "./support/gateway.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startContent } from "./support/start-content.ts";

const BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8";

test("R16, gotcha 19: one CID, many representations: every body is right, every tag its own, in any order", async () => {
  await using node = await startContent();
  const linked = [blockOf("one"), blockOf("two")];
  const root = codecBlock(0x71, dagCbor.encode({ a: linked[0]?.cid, b: linked[1]?.cid, c: linked[0]?.cid }));
  await node.vault.put([root, ...linked]);
  const base = `/ipfs/${root.cid.toString()}/`;
  const requests: (readonly [string, Record<string, string>])[] = [
    [base, {}],
    [base, { accept: BROWSER }],
    [base, { accept: "application/vnd.ipld.car" }],
    [`${base}?format=raw`, {}],
    [`${base}?format=cbor`, {}],
    [`${base}?format=car&dag-scope=block`, {}],
    [`${base}?format=car&car-dups=y`, {}],
    [`${base}?format=car&entity-bytes=0:1`, {}],
  ];
  // Warm: the default representation is there before any other is asked for.
  expect((await bytesFrom(await get(node, base))).equals(root.bytes)).toBe(true);
  const ask = async ([path, headers]: (typeof requests)[number]) => {
    const response = await get(node, path, headers);
    return `${response.headers.get("content-type")} ${response.headers.get("etag")} ${(await bytesFrom(response)).toString("base64")}`;
  };
  const first = await Promise.all(requests.map(ask));
  expect(new Set(first).size).toBe(requests.length);
  const tags = first.map((answer) => answer.split(" ").find((part) => /"/.test(part)));
  expect(new Set(tags).size).toBe(requests.length);
  const bodies = first.map((answer) => Buffer.from(answer.split(" ").at(-1) ?? "", "base64"));
  for (const at of [0, 3, 4]) expect(bodies[at]?.equals(root.bytes)).toBe(true);
  expect(bodies[1]?.toString()).toContain(`href="/ipfs/${linked[0]?.cid.toString()}"`);
  const [one, two] = linked.map(({ cid }) => cid.toString());
  const blocksOf = new Map([
    [2, [root.cid.toString(), one, two]],
    [5, [root.cid.toString()]],
    [6, [root.cid.toString(), one, two, one]],
    [7, [root.cid.toString()]],
  ]);
  for (const [at, cids] of blocksOf) expect((await carCids(bodies[at] ?? Buffer.of())).cids).toEqual(cids);
  const reversed: string[] = [];
  for (const request of requests.toReversed()) reversed.push(await ask(request));
  expect(reversed.toReversed()).toEqual(first);
  for (const [index, request] of requests.entries()) {
    for (const tag of tags.filter((_, i) => i !== index)) {
      const [path, headers] = request;
      expect((await get(node, path, { ...headers, "if-none-match": tag ?? "" })).status).toBe(200);
    }
  }
  const both = await get(node, `${base}?format=raw`, { accept: "application/vnd.ipld.car" });
  expect(both.headers.get("content-type")).toBe("application/vnd.ipld.raw");
});

test("gotcha 19: a format that Accept chose has a URL of its own; what depends on Accept says so", async () => {
  await using node = await startContent();
  const dag = await makeDag({ "d/x": "hello" });
  await node.vault.put(dag.blocks);
  for (const [format, accept] of [
    ["raw", "application/vnd.ipld.raw"],
    ["tar", "application/x-tar"],
    ["json", "application/json"],
  ] as const) {
    const byAccept = await get(node, `/ipfs/${dag.root}/x?b=%20c&a=1`, { accept });
    const location = byAccept.headers.get("content-location") ?? "";
    expect(location).toBe(`/ipfs/${dag.root}/x?a=1&b=+c&format=${format}`);
    expect(byAccept.headers.get("vary")).toBe("Accept");
    const byUrl = await get(node, location);
    expect(byUrl.headers.has("vary")).toBe(false);
    expect(byUrl.headers.has("content-location")).toBe(false);
    expect(Buffer.compare(await bytesFrom(byUrl), await bytesFrom(byAccept))).toBe(0);
  }
  const unknown = await get(node, `/ipfs/${dag.root}/x?format=unheardof`);
  expect([unknown.status, await unknown.text()]).toEqual([200, "hello"]);
});

test("gotcha 24: the body is never compressed, whatever the client accepts", async () => {
  await using node = await startContent();
  const dag = await makeDag({ "d/x.txt": "a".repeat(100_000) });
  await node.vault.put(dag.blocks);
  for (const path of ["/x.txt", "/", "/x.txt?format=raw", "?format=car", "?format=tar"]) {
    const response = await get(node, `/ipfs/${dag.root}${path}`, { "accept-encoding": "gzip, br, zstd" });
    expect([path, response.status, response.headers.has("content-encoding")]).toEqual([path, 200, false]);
    await response.arrayBuffer();
  }
});

describe("every answer", () => {
  test("has the CORS headers that the gateway specifications want, once", async () => {
    await using node = await startContent();
    for (const path of ["/ipfs/bafkqaaa", "/ipfs/bafkqaaa?format=car", "/ipfs/bafyaabakaieac/"]) {
      const response = await get(node, path, { origin: "https://example.org" });
      expect(Object.fromEntries(response.headers)).toMatchObject({
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD, OPTIONS",
        "access-control-allow-headers": "Content-Type, Range, User-Agent, X-Requested-With",
        "access-control-expose-headers": expect.stringMatching(/Content-Range.*X-Ipfs-Path.*X-Ipfs-Roots/),
      });
    }
    const preflight = await get(node, "/ipfs/bafkqaaa", { origin: "https://example.org" }, "OPTIONS");
    expect(preflight.headers.get("access-control-allow-headers")).toMatch(
      /Range.*User-Agent, X-Requested-With/,
    );
  });

  test("gotcha 22: to HEAD has the headers of the answer to GET, in every format", async () => {
    await using node = await startContent();
    const dag = await makeDag({ "d/x.txt": "hello", "d/site/index.html": "<p>" });
    await node.vault.put(dag.blocks);
    const paths = ["/", "/site/", "/x.txt", "/x.txt?format=raw", "/x.txt?filename=y.css", "", "/absent"];
    for (const path of paths) {
      const [full, head] = [
        await get(node, `/ipfs/${dag.root}${path}`),
        await get(node, `/ipfs/${dag.root}${path}`, {}, "HEAD"),
      ];
      expect([path, head.status]).toEqual([path, full.status]);
      expect([path, comparableHeaders(head)]).toEqual([path, comparableHeaders(full)]);
      expect(await head.text()).toBe("");
      await full.arrayBuffer();
    }
  });
});

test("/ipns has the bytes and tags of /ipfs, its own lifetime, and forgets both with the next record (gotcha 24)", async () => {
  await using node = await startContent();
  const key = createTestName();
  const [a, b] = [await makeDag({ "d/x": "first" }), await makeDag({ "d/x": "second" })];
  await node.vault.put([...a.blocks, ...b.blocks]);
  await node.http.records.publish(
    key.name,
    await makeRecord(key, { value: `/ipfs/${a.root}`, sequence: 1n }),
    { origin: "client" },
  );
  for (const query of ["x", "x?format=raw", "?format=car", "?format=tar", ""]) {
    const [named, fixed] = [
      await get(node, `/ipns/${key.name.text}/${query}`),
      await get(node, `/ipfs/${a.root}/${query}`),
    ];
    expect([query, named.headers.get("etag")]).toEqual([query, fixed.headers.get("etag")]);
    expect(named.headers.get("cache-control")).toMatch(/^public, max-age=(?:[12]?\d|30)$/);
    expect(named.headers.get("x-ipfs-roots")).toBe(fixed.headers.get("x-ipfs-roots"));
    const bodies = [await bytesFrom(named), await bytesFrom(fixed)] as const;
    // A listing says where it is.
    expect(query === "" || Buffer.compare(...bodies) === 0).toBe(true);
  }
  const old = await get(node, `/ipns/${key.name.text}/x`);
  await node.http.records.publish(
    key.name,
    await makeRecord(key, { value: `/ipfs/${b.root}`, sequence: 2n }),
    { origin: "client" },
  );
  const next = await get(node, `/ipns/${key.name.text}/x`, {
    "if-none-match": old.headers.get("etag") ?? "",
  });
  expect([next.status, await next.text()]).toEqual([200, "second"]);
  expect(await (await get(node, `/ipfs/${a.root}/x`)).text()).toBe("first");
});
