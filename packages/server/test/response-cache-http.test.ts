import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { buffer } from "node:stream/consumers";
import { encode as encodeJson } from "@ipld/dag-json";
import { parseGatewayHosts } from "../src/config/gateway-hosts.ts";
import { describe, expect, test } from "vitest";
import { bytesFrom, codecBlock, comparableHeaders, get, makeDag } from "./support/gateway.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { createTestName, makeRecord, type TestKey } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { ScriptedSource } from "./support/scripted-source.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const DAG_JSON = 0x0129;
/** What a 304 may say and need not. */
const OF_THE_BODY = /^(content-type|content-disposition|accept-ranges|content-security-policy)$/;
/** A body that was streamed has no length until it is kept. */
const OF_TRANSFER = /^(content-length|transfer-encoding)$/;

/**
 * Where an answer came from, as it says itself and as the node counts. Not by fetch, which adds `Cache-Control: no-cache` to
 * conditional requests.
 */
async function ask(node: TestContent, path: string, headers: Record<string, string> = {}, method = "GET") {
  const before = node.http.metrics.content.responsesFromCache;
  const request = httpRequest(`${node.url}${path}`, { method, headers });
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const body = await buffer(response);
  const answered = new Response(null, { headers: response.headers as Record<string, string> });
  return {
    status: response.statusCode ?? 0,
    cacheStatus: answered.headers.get("x-cache-status"),
    headers: comparableHeaders(answered),
    header: (name: string) => answered.headers.get(name),
    body: body.toString("latin1"),
    isFromCache: node.http.metrics.content.responsesFromCache > before,
  };
}

async function put(node: TestContent, key: TestKey, facts: Parameters<typeof makeRecord>[1] = {}) {
  const eolMs = node.http.clock.nowMs() + 48 * 3_600_000;
  const bytes = await makeRecord(key, { eolMs, ...facts });
  await node.http.records.publish(key.name, bytes, { origin: "client" });
}

async function startSite() {
  const dag = await makeDag({
    "site/page.html": "<h1>page</h1>",
    "site/big.bin": bytesOf(700_000),
    "site/data.json": "{}",
    "site/sub/a.txt": "a",
  });
  const node = await startContent();
  await node.vault.put(dag.blocks);
  return { node, root: dag.cidOfPath("site"), dag };
}

/** An answer of several blocks that a busy disk gave slowly was a stream, and is kept when it is asked for again. */
function askUntilKept(node: TestContent, path: string): ReturnType<typeof ask> {
  return until(async () => {
    const again = await ask(node, path);
    expect(again.isFromCache).toBe(true);
    return again;
  });
}

describe("a whole answer", () => {
  test("is kept, and comes the same out of the cache: GET, HEAD, small and large", async () => {
    const { node, root } = await startSite();
    await using _ = node;
    for (const path of ["page.html", "big.bin", "", "sub/"]) {
      const cold = await ask(node, `/ipfs/${root}/${path}`);
      expect(cold).toMatchObject({ status: 200, isFromCache: false });
      const warm = await askUntilKept(node, `/ipfs/${root}/${path}`);
      expect(warm).toMatchObject({ status: 200, isFromCache: true, cacheStatus: "HIT" });
      expect(warm.headers).toEqual(cold.headers);
      expect(warm.body === cold.body).toBe(true);
      expect(warm.header("cache-status")).toBe("holdfast; hit");
      expect(warm.header("server-timing")).toContain("cache");
      expect(warm.header("access-control-allow-origin")).toBe("*");
      const head = await ask(node, `/ipfs/${root}/${path}`, {}, "HEAD");
      expect(head).toMatchObject({ isFromCache: true, body: "", headers: cold.headers });
    }
  });

  test("a first answer says whether a block had to be retrieved for it", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    await using node = await startContent({ sources: [new ScriptedSource("s", blocks)] });
    const cold = await ask(node, `/ipfs/${root}`);
    expect(cold.cacheStatus).toBe("MISS");
    expect(cold.header("cache-status")).toBe("holdfast; fwd=uri-miss");
    expect(cold.header("server-timing")).toMatch(/^cache;desc="miss", total;dur=[\d.]+$/);
    const other = await ask(node, `/ipfs/${root}?filename=other.txt`);
    expect(other).toMatchObject({ cacheStatus: "HIT", isFromCache: false });
    expect((await ask(node, `/ipfs/${root}`)).cacheStatus).toBe("HIT");
  });

  test("a HEAD keeps nothing, and neither does a part", async () => {
    const { node, root } = await startSite();
    await using _ = node;
    const path = `/ipfs/${root}/big.bin`;
    await ask(node, path, {}, "HEAD");
    await ask(node, path, { range: "bytes=0-9" });
    const whole = await ask(node, path);
    expect(whole).toMatchObject({ status: 200, isFromCache: false });
    expect(whole.body).toHaveLength(700_000);
  });

  test("with a bound of 0 nothing is kept, and answers still say where they come from", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    await using node = await startContent({ server: { responseCacheBytesMax: 0 } });
    await node.vault.put(blocks);
    for (let i = 0; i < 3; i++) {
      expect(await ask(node, `/ipfs/${root}`)).toMatchObject({ isFromCache: false, cacheStatus: "HIT" });
    }
  });

  test("a body that was streamed is kept when it is asked for again and whole", async () => {
    const { node, root } = await startSite();
    await using _ = node;
    const path = `/ipfs/${root}?format=car`;
    const cold = await ask(node, path);
    const warm = await askUntilKept(node, path);
    expect(warm.body === cold.body).toBe(true);
    expect(warm.header("content-length")).toBe(String(cold.body.length));
  });
});

describe("R16: nothing is answered with another representation", () => {
  const ACCEPTS = [
    undefined,
    "*/*",
    BROWSER,
    "application/vnd.ipld.raw",
    "application/vnd.ipld.car",
    "application/vnd.ipld.car; version=1; order=dfs; dups=y",
    "application/vnd.ipld.car;dups=n",
    "application/x-tar",
    "application/json",
    "application/vnd.ipld.dag-json",
    "application/vnd.ipld.dag-cbor",
    "application/vnd.ipld.unknown",
    "text/plain, application/vnd.ipld.raw;q=0.1",
  ];
  const QUERIES = [
    "",
    "?format=raw",
    "?format=car",
    "?format=car&dag-scope=block",
    "?format=car&dag-scope=entity&entity-bytes=0:10",
    "?format=car&car-dups=y",
    "?format=tar",
    "?format=json",
    "?filename=other.png",
    "?filename=other.png&download=true",
    "?unknown=1",
  ];

  test("thousands of requests in any order are answered as by a node that keeps nothing", async () => {
    const document = codecBlock(DAG_JSON, encodeJson({ hello: ["world"] }));
    const dag = await makeDag({ "site/page.html": "<h1>page</h1>", "site/sub/a.txt": "aa" }, "cid-version=1");
    const root = dag.cidOfPath("site");
    await using keeping = await startContent();
    await using forgetting = await startContent({ server: { responseCacheBytesMax: 0 } });
    for (const node of [keeping, forgetting]) await node.vault.put([...dag.blocks, document]);
    const paths = [`${root}`, `${root}/`, `${root}/page.html`, `${root}/sub/`, document.cid.toString()];
    const targets = paths.flatMap((path) => QUERIES.map((query) => `/ipfs/${path}${query}`));
    const requests = targets.flatMap((target) => ACCEPTS.map((accept) => ({ target, accept })));
    const expected = new Map<string, unknown>();
    for (const { target, accept } of requests) {
      const answer = await ask(forgetting, target, accept === undefined ? {} : { accept });
      expected.set(`${target} ${accept}`, seen(answer));
    }
    let state = 16;
    for (let i = 0; i < 1_500; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const { target, accept } = requests[state % requests.length] ?? { target: "", accept: undefined };
      const answer = await ask(keeping, target, accept === undefined ? {} : { accept });
      expect({ target, accept, ...seen(answer) }).toEqual({
        target,
        accept,
        ...(expected.get(`${target} ${accept}`) as object),
      });
    }
    expect(keeping.http.metrics.content.responsesFromCache).toBeGreaterThan(300);
  }, 60_000);

  function seen({ status, headers, body }: Awaited<ReturnType<typeof ask>>) {
    return {
      status,
      headers: headers.filter(([name]) => !OF_TRANSFER.test(name)),
      body: status >= 400 ? "" : body,
    };
  }

  test("headers that mean the same share an answer", async () => {
    const { node, root } = await startSite();
    await using _ = node;
    await ask(node, `/ipfs/${root}/page.html`, { accept: "*/*" });
    for (const accept of ["image/avif,image/webp,*/*;q=0.5", "text/plain", "application/xml"]) {
      expect((await ask(node, `/ipfs/${root}/page.html`, { accept })).isFromCache).toBe(true);
    }
  });

  test("two spellings of a CID share no answer: its headers repeat the spelling", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    await using node = await startContent();
    await node.vault.put(blocks);
    const v1 = blocks[0]?.cid.toV1().toString() ?? "";
    await ask(node, `/ipfs/${root}`);
    expect((await ask(node, `/ipfs/${v1}`)).header("x-ipfs-path")).toBe(`/ipfs/${v1}`);
  });

  test("gotcha 23: a host with an origin of its own is never given what a path gateway answered", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    const site = await makeDag({ "w/index.html": "site", [`w/ipfs/${root}`]: "inside" }, "cid-version=1");
    await using node = await startContent({
      server: { gatewayHosts: parseGatewayHosts("gateway.example=subdomain") },
    });
    await node.vault.put([...blocks, ...site.blocks]);
    for (let i = 0; i < 2; i++) expect((await ask(node, `/ipfs/${root}`)).body).toBe("hello");
    const host = `${site.cidOfPath("w")}.ipfs.gateway.example`;
    for (const isFromCache of [false, true]) {
      expect(await ask(node, `/ipfs/${root}`, { host })).toMatchObject({ body: "inside", isFromCache });
      expect(await ask(node, "/", { host })).toMatchObject({ body: "site", isFromCache });
    }
    const other = `${site.cidOfPath("w/ipfs")}.ipfs.gateway.example`;
    expect(await ask(node, `/${root}`, { host: other })).toMatchObject({
      body: "inside",
      isFromCache: false,
    });
    expect((await ask(node, `/ipfs/${root}`)).body).toBe("hello");
    const onGateway = await node.raw(
      `GET /ipfs/${root} HTTP/1.1\r\nHost: gateway.example\r\nConnection: close\r\n\r\n`,
    );
    expect(onGateway).toMatch(/^HTTP\/1\.1 301 /);
  });
});

test("what a proxy forwards is told apart, and said in Vary out of the cache too", async () => {
  const site = await makeDag({ "w/index.html": "site" }, "cid-version=1");
  await using node = await startContent({
    server: { gatewayHosts: parseGatewayHosts("gateway.example=subdomain"), trustedProxies: ["127.0.0.1"] },
  });
  await node.vault.put(site.blocks);
  const host = `${site.cidOfPath("w")}.ipfs.gateway.example`;
  const forwarded = { host: "victim.example", "x-forwarded-host": host };
  for (const isFromCache of [false, true]) {
    const answer = await ask(node, "/", forwarded);
    expect(answer).toMatchObject({ body: "site", isFromCache });
    expect(answer.header("vary")).toBe("X-Forwarded-Host, Accept");
    const direct = await ask(node, "/", { host });
    expect(direct).toMatchObject({ body: "site", isFromCache });
    expect(direct.header("vary")).toBe("Accept");
  }
  expect((await ask(node, "/", { host: "victim.example" })).status).toBe(404);
});

describe("R17: only what is complete is kept", () => {
  test("errors are not: what was absent is answered as soon as it is there", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    await using node = await startContent();
    const cold = await ask(node, `/ipfs/${root}`);
    expect(cold.status).toBeGreaterThanOrEqual(400);
    await node.vault.put(blocks);
    expect(await ask(node, `/ipfs/${root}`)).toMatchObject({ status: 200, body: "hello" });
  });

  test("gotchas 20, 21: a body that broke is not, and the next one is whole", async () => {
    const { root, blocks } = await makeDag({ x: bytesOf(900_000) });
    const source = new ScriptedSource("s", blocks);
    const leaf = blocks.find(({ bytes }) => bytes.byteLength > 100_000);
    if (leaf === undefined) throw new Error("there is no leaf");
    source.behaveFor(leaf.cid, "truncates");
    await using node = await startContent({ sources: [source] });
    for (const format of ["", "?format=car"]) {
      const broken = await get(node, `/ipfs/${root}${format}`)
        .then(bytesFrom)
        .catch(() => "broken");
      expect(typeof broken === "string" || broken.byteLength < 1_000).toBe(true);
    }
    source.exceptions.clear();
    for (let i = 0; i < 2; i++) expect((await ask(node, `/ipfs/${root}`)).body).toHaveLength(900_000);
    expect((await ask(node, `/ipfs/${root}?format=car`)).body.length).toBeGreaterThan(900_000);
  });

  test("a client that leaves in the middle leaves nothing half behind", async () => {
    const { root, blocks } = await makeDag({ x: bytesOf(900_000) });
    const source = new ScriptedSource("s", blocks);
    await using node = await startContent({ sources: [source] });
    source.hold();
    const leaving = new AbortController();
    const left = fetch(`${node.url}/ipfs/${root}?format=car`, { signal: leaving.signal }).catch(() => "left");
    await until(() => expect(source.asked.length).toBeGreaterThan(0));
    leaving.abort();
    expect(await left).toBe("left");
    source.release();
    const whole = await ask(node, `/ipfs/${root}?format=car`);
    expect(whole.body.length).toBeGreaterThan(900_000);
    expect((await ask(node, `/ipfs/${root}?format=car`)).body === whole.body).toBe(true);
  });
});

describe("R18: /ipns is the record that routing/get gives", () => {
  async function startNamed() {
    const one = await makeDag({ x: "one" });
    const two = await makeDag({ x: "two" });
    const router = new ScriptedRouter("r");
    const node = await startContent({ routers: [router] });
    await node.vault.put([...one.blocks, ...two.blocks]);
    const key = createTestName();
    return {
      node,
      one: `/ipfs/${one.root}`,
      two: `/ipfs/${two.root}`,
      key,
      router,
      path: `/ipns/${key.name.text}`,
    };
  }

  test("gotcha 24: a put is in the very next answer, the old tag matches no more, and what it pointed to is still kept under /ipfs", async () => {
    const { node, one, two, key, path } = await startNamed();
    await using _ = node;
    await put(node, key, { value: one });
    await ask(node, one);
    await ask(node, path);
    const warm = await ask(node, path);
    expect(warm).toMatchObject({ body: "one", isFromCache: true });
    const tag = { "if-none-match": warm.header("etag") ?? "" };
    expect(await ask(node, path, tag)).toMatchObject({ status: 304, isFromCache: true });
    for (let sequence = 2n; sequence < 20n; sequence++) {
      const value = sequence % 2n === 0n ? two : one;
      await put(node, key, { value, sequence });
      const answer = await ask(node, path, sequence % 2n === 0n ? tag : {});
      expect(answer).toMatchObject({ status: 200, body: sequence % 2n === 0n ? "two" : "one" });
      expect((await ask(node, path)).isFromCache).toBe(true);
    }
    expect(node.http.metrics.content.responsesOutdated).toBeGreaterThan(5);
    expect(await ask(node, two, tag)).toMatchObject({ status: 200, body: "two" });
    expect(await ask(node, one, tag)).toMatchObject({ status: 304, isFromCache: true });
    expect(await ask(node, one)).toMatchObject({ body: "one", isFromCache: true });
  });

  test("the same with names behind names: each of them counts", async () => {
    const { node, one, two, key, path } = await startNamed();
    await using _ = node;
    const [middle, end] = [createTestName(), createTestName()];
    await put(node, key, { value: `/ipns/${middle.name.text}` });
    await put(node, middle, { value: `/ipns/${end.name.text}` });
    await put(node, end, { value: one });
    for (let i = 0; i < 2; i++) expect((await ask(node, path)).body).toBe("one");
    await put(node, end, { value: two, sequence: 2n });
    expect((await ask(node, path)).body).toBe("two");
    await put(node, middle, { value: one, sequence: 2n });
    expect((await ask(node, path)).body).toBe("one");
  });

  test("max-age is what is left now, and what is stale says so and is refreshed behind", async () => {
    const { node, one, key, path, router } = await startNamed();
    await using _ = node;
    await put(node, key, { value: one, ttlNs: 20_000_000_000n });
    await ask(node, path);
    const { clock } = node.http;
    const at = async (byMs: number) => {
      await clock.advance(byMs);
      const { isFromCache, cacheStatus, header } = await ask(node, path);
      return [isFromCache, cacheStatus, header("cache-control"), header("cache-status")];
    };
    expect(await at(0)).toEqual([true, "HIT", "public, max-age=20", "holdfast; hit; ttl=20"]);
    expect(await at(999)).toEqual([true, "HIT", "public, max-age=19", "holdfast; hit; ttl=19"]);
    expect(await at(15_000)).toEqual([true, "HIT", "public, max-age=4", "holdfast; hit; ttl=4"]);
    expect(router.getCount).toBe(0);
    expect(await at(10_000)).toEqual([true, "STALE", "public, max-age=0", "holdfast; hit; ttl=-6"]);
    await clock.advance(1_000);
    await until(() => expect(router.getCount).toBe(1));
  });

  test("a record that is confirmed again makes its answers fresh again, without a miss", async () => {
    const { node, one, key, path, router } = await startNamed();
    await using _ = node;
    const bytes = await makeRecord(key, { value: one, ttlNs: 20_000_000_000n });
    await node.http.records.publish(key.name, bytes, { origin: "client" });
    router.records.set(key.name.text, [bytes]);
    await ask(node, path);
    await node.http.clock.advance(25_000);
    expect((await ask(node, path)).cacheStatus).toBe("STALE");
    await until(async () => {
      await node.http.clock.advance(500);
      expect(await ask(node, path)).toMatchObject({ cacheStatus: "HIT", isFromCache: true });
    });
  });

  test("R13, gotcha 5: past its end a record's answers are gone", async () => {
    const { node, one, key, path } = await startNamed();
    await using _ = node;
    await put(node, key, { value: one, eolMs: node.http.clock.nowMs() + 60_000 });
    for (let i = 0; i < 2; i++) expect((await ask(node, path)).body).toBe("one");
    await node.http.clock.advance(60_002);
    const answer = ask(node, path);
    await until(async () => {
      await node.http.clock.advance(1_000);
      expect(node.http.metrics.content.responsesOutdated).toBe(1);
    });
    expect((await answer).status).toBeGreaterThanOrEqual(400);
  });

  test("gotcha 24: who insists gets what the network says, and everybody has it from then on", async () => {
    const { node, one, two, key, path, router } = await startNamed();
    await using _ = node;
    await put(node, key, { value: one });
    for (let i = 0; i < 2; i++) await ask(node, path);
    router.records.set(key.name.text, [await makeRecord(key, { value: two, sequence: 2n })]);
    for (const insisting of [{ "x-no-cache": "1" }, { "cache-control": "no-cache" }]) {
      const answer = await ask(node, path, insisting);
      expect(answer).toMatchObject({ body: "two", cacheStatus: "BYPASS", isFromCache: false });
      expect(answer.header("cache-status")).toBe("holdfast; fwd=request");
    }
    expect(await ask(node, path)).toMatchObject({ body: "two", isFromCache: true });
    // What cannot change need not be asked for.
    await ask(node, one);
    expect(await ask(node, one, { "cache-control": "no-cache" })).toMatchObject({ isFromCache: true });
  });

  test("a DNSLink is relied on for its TTL, and then asked for again", async () => {
    const { one, two, node: other } = await startNamed();
    await using _ = other;
    let link = { path: one, ttlMs: 10_000 };
    const dnslinks = { resolve: () => Promise.resolve(link), isKnownAbsent: () => false };
    await using node = await startContent({ dnslinks });
    const dags = [await makeDag({ x: "one" }), await makeDag({ x: "two" })];
    for (const { blocks } of dags) await node.vault.put(blocks);
    for (const isFromCache of [false, true]) {
      expect(await ask(node, "/ipns/site.example")).toMatchObject({ body: "one", isFromCache });
    }
    link = { path: two, ttlMs: 10_000 };
    await node.http.clock.advance(9_000);
    const late = await ask(node, "/ipns/site.example");
    expect(late).toMatchObject({ body: "one", isFromCache: true });
    expect(late.header("cache-control")).toBe("public, max-age=1");
    await node.http.clock.advance(1_000);
    expect(await ask(node, "/ipns/site.example")).toMatchObject({ body: "two", isFromCache: false });
  });

  test("the record itself is not kept twice", async () => {
    const { node, one, key, path } = await startNamed();
    await using _ = node;
    await put(node, key, { value: one });
    for (let i = 0; i < 2; i++) {
      const answer = await ask(node, `${path}?format=ipns-record`);
      expect(answer).toMatchObject({ status: 200, isFromCache: false });
    }
  });
});

describe("conditions and ranges of what is kept", () => {
  const CONDITIONS: readonly Record<string, string>[] = [
    { range: "bytes=0-0" },
    { range: "bytes=5-" },
    { range: "bytes=-7" },
    { range: "bytes=699999-9999999" },
    { range: "bytes=1-3,5-6" },
    { range: "bytes=9999999-" },
    { range: "bytes=x" },
    { range: "lines=1-2" },
    { range: "bytes=0-9", "if-range": '"other"' },
    { range: "bytes=0-9", "if-range": "TAG" },
    { "if-none-match": "TAG" },
    { "if-none-match": "W/TAG" },
    { "if-none-match": "*" },
    { "if-none-match": '"other"' },
    { "if-none-match": '"other", TAG' },
    { "if-none-match": "TAG", range: "bytes=0-1" },
    { "if-modified-since": "Thu, 01 Jan 2099 00:00:00 GMT" },
    { "cache-control": "only-if-cached" },
    { "service-worker": "script" },
  ];

  test("are answered as by a node that keeps nothing", async () => {
    const dag = await makeDag({ "site/page.html": "<h1>page</h1>", "site/big.bin": bytesOf(700_000) });
    const root = dag.cidOfPath("site");
    await using keeping = await startContent();
    await using forgetting = await startContent({ server: { responseCacheBytesMax: 0 } });
    for (const node of [keeping, forgetting]) await node.vault.put(dag.blocks);
    const raw = [
      "?format=raw",
      "page.html?format=raw",
      "?format=tar",
      "page.html?filename=x.bin&download=true",
    ];
    for (const path of ["page.html", "big.bin", "", ...raw]) {
      const target = `/ipfs/${root}/${path}`;
      const tag = (await ask(keeping, target)).header("etag") ?? "";
      for (const method of ["GET", "HEAD"]) {
        for (const condition of CONDITIONS) {
          const headers = Object.fromEntries(
            Object.entries(condition).map(([name, value]) => [name, value.replace("TAG", tag)]),
          );
          const [warm, cold] = [
            await ask(keeping, target, headers, method),
            await ask(forgetting, target, headers, method),
          ];
          const boundary = /boundary=[^\s]+/;
          const seen = ({ status, headers: list, body }: typeof warm) => ({
            status,
            headers: list
              .filter(([name]) => !OF_TRANSFER.test(name) && !(status === 304 && OF_THE_BODY.test(name)))
              .map(([name, value]) => [name, value.replace(boundary, "")]),
            body: status === 206 && condition["range"]?.includes(",") === true ? body.length : body,
          });
          expect({ target, method, condition, ...seen(warm) }).toEqual({
            target,
            method,
            condition,
            ...seen(cold),
          });
        }
      }
    }
    expect(keeping.http.metrics.content.responsesFromCache).toBeGreaterThan(50);
  });

  test("a malformed or limited request is no faster for being kept", async () => {
    const { root, blocks } = await makeDag({ x: "hello" });
    await using node = await startContent({
      server: { rateLimits: true, rates: { readsPerClient: { perSecond: 0.001, burst: 5 } } },
    });
    await node.vault.put(blocks);
    await ask(node, `/ipfs/${root}`);
    expect(await node.raw(`GET /ipfs/${root} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) statuses.push((await ask(node, `/ipfs/${root}`)).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429]);
  });
});

test("a block that is served raw is kept without the buffer it came in", async () => {
  const block = blockOf(bytesOf(5_000));
  await using node = await startContent();
  await node.vault.put([block]);
  const path = `/ipfs/${block.cid.toString()}?format=raw`;
  for (const isFromCache of [false, true]) {
    const answer = await ask(node, path);
    expect(answer.isFromCache).toBe(isFromCache);
    expect(Buffer.from(answer.body, "latin1").equals(block.bytes)).toBe(true);
  }
});
