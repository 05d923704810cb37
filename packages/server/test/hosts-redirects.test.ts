import { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import { CachedDnslinks } from "../src/adapters/dns/dnslinks.ts";
import type { Block } from "../src/content/block-store.ts";
import { REDIRECTS_FILE_BYTES_MAX } from "../src/gateway/redirects-file.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { ask, type Asked } from "./support/ask.ts";
import { makeDag } from "./support/gateway.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startContent, type TestContent } from "./support/start-content.ts";

const IMMUTABLE = "public, max-age=29030400, immutable";
const RULES = `
/one /two.html
/moved/* /new/:splat 302
/spa/* /index.html 200
/lost/* /404.html 404
/gone/* /410.html 410
/barred/* /451.html 451
/broken/* /absent.html 404
/dir/* /sub 200
/two.html /never.html
`;
const FILES = {
  "index.html": "<p>my index</p>",
  "two.html": "<p>two</p>",
  "404.html": "<p>my 404</p>",
  "410.html": "<p>my 410</p>",
  "451.html": "<p>my 451</p>",
  "sub/index.html": "<p>sub</p>",
};

interface Website extends AsyncDisposable {
  readonly node: TestContent;
  readonly root: string;
  readonly blocks: readonly Block[];
  readonly cidOfPath: (path: string) => string;
  /** As on the site's own origin. */
  get(target: string, headers?: Record<string, string>, method?: string): Promise<Asked>;
  getFrom(host: string, target: string): Promise<Asked>;
}

async function startWebsite(
  rules: string | Uint8Array,
  /** Names of files whose blocks nobody has. */
  without: readonly string[] = [],
): Promise<Website> {
  const files = Object.entries({ ...FILES, _redirects: rules });
  const dag = await makeDag(Object.fromEntries(files.map(([name, content]) => [`d/${name}`, content])));
  const cidOfPath = (path: string): string => dag.cidOfPath(`d/${path}`);
  const root = CID.parse(dag.root).toV1().toString();
  const outer = await makeDag({ "o/site/x": "x" });
  const dnslinks = new CachedDnslinks(
    { lookup: undefined, clock: systemClock, timers: systemClock, logger: createLogger("silent") },
    { map: new Map([["site.example", `/ipfs/${root}`]]) },
  );
  const node = await startContent({
    dnslinks,
    server: { gatewayHosts: [{ host: "localhost", mode: "subdomain", inlinesDomains: false }] },
  });
  const missing = without.map(cidOfPath);
  await node.vault.put(
    [...dag.blocks, ...outer.blocks].filter(({ cid }) => !missing.includes(cid.toString())),
  );
  const { port } = node.http;
  return {
    node,
    root,
    blocks: dag.blocks,
    cidOfPath,
    get: (target, headers = {}, method = "GET") =>
      ask(port, target, { method, headers: { Host: `${root}.ipfs.localhost`, ...headers } }),
    getFrom: (host, target) => ask(port, target, { headers: { Host: host } }),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

describe("a _redirects file", () => {
  test("redirects paths that do not exist, and no others", async () => {
    await using site = await startWebsite(RULES);
    const one = await site.get("/one");
    expect(one).toMatchObject({
      status: 301,
      headers: { location: "/two.html", "cache-control": IMMUTABLE },
    });
    expect(one.headers["access-control-allow-origin"]).toBe("*");
    const moved = await site.get("/moved/a/b%20c?q=1");
    expect(moved).toMatchObject({ status: 302, headers: { location: "/new/a/b%20c?q=1" } });
    expect(await site.get("/two.html")).toMatchObject({ status: 200, body: "<p>two</p>" });
    expect((await site.get("/elsewhere")).status).toBe(404);
    expect((await site.get("/", {}, "HEAD")).status).toBe(200);
  });

  test("serves a page in place of another, with its ETag, in part and only if it changed", async () => {
    await using site = await startWebsite(RULES);
    const page = await site.get("/spa/route?x=1");
    expect(page).toMatchObject({ status: 200, body: "<p>my index</p>" });
    expect(page.headers).toMatchObject({
      etag: `"${site.cidOfPath("index.html")}"`,
      "cache-control": IMMUTABLE,
      "x-ipfs-path": `/ipfs/${site.root}/spa/route`,
    });
    const again = await site.get("/spa/other", { "If-None-Match": page.headers.etag ?? "" });
    expect(again).toMatchObject({ status: 304, body: "" });
    expect(await site.get("/spa/route", { Range: "bytes=0-2" })).toMatchObject({ status: 206, body: "<p>" });
    const head = await site.get("/spa/route", {}, "HEAD");
    expect(head).toMatchObject({ status: 200, body: "", headers: { "content-length": "15" } });
    // As boxo does it: links in a directory's page need the slash.
    expect(await site.get("/dir/x")).toMatchObject({ status: 301, headers: { location: "/dir/x/" } });
    expect(await site.get("/dir/x/")).toMatchObject({ status: 200, body: "<p>sub</p>" });
  });

  test.each([
    ["/lost/x", 404, "404.html"],
    ["/gone/x", 410, "410.html"],
    ["/barred/x", 451, "451.html"],
  ])(
    "answers %s with the page for %i, whole, whatever part the client asks for",
    async (target, status, page) => {
      await using site = await startWebsite(RULES);
      const etag = `"${site.cidOfPath(page)}"`;
      for (const headers of [{}, { Range: "bytes=0-1" }, { "If-None-Match": etag }]) {
        const answer = await site.get(target, headers);
        expect(answer).toMatchObject({ status, body: `<p>my ${status}</p>` });
        expect(answer.headers).toMatchObject({ etag, "cache-control": IMMUTABLE });
        expect(answer.headers["content-type"]).toContain("text/html");
        expect(answer.headers).not.toHaveProperty("accept-ranges");
      }
      expect(await site.get(target, {}, "HEAD")).toMatchObject({ status, body: "" });
    },
  );

  test("whose page is missing leaves a plain 404 that is not kept", async () => {
    await using site = await startWebsite(RULES);
    const answer = await site.get("/broken/x");
    expect(answer).toMatchObject({ status: 404, headers: { "cache-control": "no-store" } });
  });

  test("that catches everything leaves files that exist as they are (gotcha 23)", async () => {
    await using site = await startWebsite("/* /index.html 200\n");
    expect(await site.get("/two.html")).toMatchObject({ status: 200, body: "<p>two</p>" });
    expect(await site.get("/sub/")).toMatchObject({ status: 200, body: "<p>sub</p>" });
    expect(await site.get("/absent.html")).toMatchObject({ status: 200, body: "<p>my index</p>" });
  });

  test.each([
    ["a forced redirect", "/a /b 301!", "forced redirects"],
    ["an unknown status", "/a /b 42", "not supported"],
    ["rubbish", "hello", "missing 'to' path"],
  ])("with %s spoils what does not exist, and nothing else (gotcha 23)", async (_what, rules, why) => {
    await using site = await startWebsite(rules);
    const answer = await site.get("/not-found");
    expect(answer).toMatchObject({ status: 500, headers: { "cache-control": "no-store" } });
    expect(answer.body).toContain("could not parse _redirects: ");
    expect(answer.body).toContain(why);
    expect((await site.get("/two.html")).status).toBe(200);
  });

  test("may have 64 KiB and not a byte more (gotcha 23)", async () => {
    const rules = (bytes: number) => "/one /two.html\n#".padEnd(bytes, "x");
    await using full = await startWebsite(rules(REDIRECTS_FILE_BYTES_MAX));
    expect((await full.get("/one")).status).toBe(301);
    await using over = await startWebsite(rules(REDIRECTS_FILE_BYTES_MAX + 1));
    const answer = await over.get("/one");
    expect(answer.status).toBe(500);
    expect(answer.body).toContain("redirects file size cannot exceed 65536 bytes");
    await using huge = await startWebsite(rules(3_000_000));
    expect((await huge.get("/one")).status).toBe(500);
  });

  test("counts only where the site has an origin of its own (gotcha 23)", async () => {
    await using site = await startWebsite(RULES);
    const onPath = await site.getFrom("127.0.0.1", `/ipfs/${site.root}/one`);
    expect(onPath).toMatchObject({ status: 404, headers: { "cache-control": "no-store" } });
  });

  test("counts on a DNSLink domain and behind a name, with the time that those may be kept", async () => {
    await using site = await startWebsite(RULES);
    const key = createTestName();
    const record = await makeRecord(key, { value: `/ipfs/${site.root}` });
    await site.node.http.records.publish(key.name, record, { origin: "client" });
    for (const host of ["site.example", `${key.name.text}.ipns.localhost`, "site-example.ipns.localhost"]) {
      const redirect = await site.getFrom(host, "/one");
      expect({ host, ...redirect }).toMatchObject({ host, status: 301, headers: { location: "/two.html" } });
      const lost = await site.getFrom(host, "/lost/x");
      expect({ host, ...lost }).toMatchObject({ host, status: 404, body: "<p>my 404</p>" });
      for (const { headers } of [redirect, lost]) {
        expect(headers["cache-control"]).toMatch(/^public, max-age=(?:2\d|30)$/);
      }
    }
  });

  test("belongs to the root that the name points to, not to the DAG above it", async () => {
    await using site = await startWebsite(RULES);
    const key = createTestName();
    const record = await makeRecord(key, { value: `/ipfs/${site.root}/sub` });
    await site.node.http.records.publish(key.name, record, { origin: "client" });
    const host = `${key.name.text}.ipns.localhost`;
    expect(await site.getFrom(host, "/")).toMatchObject({ status: 200, body: "<p>sub</p>" });
    expect((await site.getFrom(host, "/one")).status).toBe(404);
  });

  test("is for people: who asks for a block, an archive or JSON gets what is there", async () => {
    await using site = await startWebsite(RULES);
    expect((await site.get("/spa/x?format=raw")).status).toBe(404);
    expect((await site.get("/spa/x", { Accept: "application/vnd.ipld.raw" })).status).toBe(404);
    expect((await site.get("/spa/x", { Accept: "text/html" })).status).toBe(200);
  });

  test("is not asked when a block is away: the path may well exist", async () => {
    await using site = await startWebsite("/* /index.html 200", ["two.html"]);
    expect(await site.get("/three.html")).toMatchObject({ status: 200, body: "<p>my index</p>" });
    const away = await site.get("/two.html");
    expect(away.status).not.toBe(200);
    expect(away.headers["cache-control"]).toBe("no-store");
  });

  test("that is not held is not fetched for only-if-cached", async () => {
    await using site = await startWebsite(RULES, ["_redirects"]);
    expect((await site.get("/one", { "Cache-Control": "only-if-cached" })).status).toBe(412);
  });
});
