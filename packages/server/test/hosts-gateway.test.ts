import { HoldfastError } from "@holdfast/core";
import { base36 } from "multiformats/bases/base36";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { CachedDnslinks } from "../src/adapters/dns/dnslinks.ts";
import { DnsOverHttps } from "../src/adapters/dns/dns-over-https.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { ask, type Asked } from "./support/ask.ts";
import { startTestDns, type TestDns } from "./support/dns-server.ts";
import { makeDag } from "./support/gateway.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startContent, type StartContentOptions, type TestContent } from "./support/start-content.ts";
import { until } from "./support/until.ts";

const IMMUTABLE = "public, max-age=29030400, immutable";
const GATEWAYS = [
  { host: "localhost", mode: "subdomain", inlinesDomains: false },
  { host: "gw.example", mode: "subdomain", inlinesDomains: true },
  { host: "paths.example", mode: "path", inlinesDomains: false },
] as const;

interface Node extends AsyncDisposable {
  readonly content: TestContent;
  readonly dns: TestDns;
  /** A site with a page at its root, at `/sub/`, and one at `/ipfs/file.txt`. */
  readonly site: string;
  readonly siteV1: string;
  /** A directory without a page. */
  readonly list: string;
  get(host: string, target: string, headers?: Record<string, string>, method?: string): Promise<Asked>;
}

async function startNode(
  options: { readonly isDnsOff?: boolean; readonly server?: StartContentOptions["server"] } = {},
): Promise<Node> {
  const dns = await startTestDns();
  const logger = createLogger("silent");
  const lookup = options.isDnsOff ? undefined : new DnsOverHttps({ url: dns.url, timeoutMs: 15_000 });
  const dnslinks = new CachedDnslinks(
    { lookup, clock: systemClock, timers: systemClock, logger },
    { map: new Map() },
  );
  const content = await startContent({
    dnslinks,
    server: { gatewayHosts: GATEWAYS, ...options.server },
  });
  const site = await makeDag({
    "d/index.html": "<p>root</p>",
    "d/sub/index.html": "<p>sub</p>",
    "d/ipfs/file.txt": "I am a txt file",
    "d/api/v0/version": "mine",
    "d/evil.example/index.html": "<p>evil</p>",
  });
  const list = await makeDag({ "d/ą/ę/file-źł.txt": "x" });
  await content.vault.put([...site.blocks, ...list.blocks]);
  const { port } = content.http;
  return {
    content,
    dns,
    site: site.root,
    siteV1: CID.parse(site.root).toV1().toString(),
    list: CID.parse(list.root).toV1().toString(),
    get: (host, target, headers = {}, method = "GET") =>
      ask(port, target, { method, headers: { Host: host, ...headers } }),
    async [Symbol.asyncDispose]() {
      await content[Symbol.asyncDispose]();
      dnslinks[Symbol.dispose]();
      await dns[Symbol.asyncDispose]();
    },
  };
}

describe("a subdomain gateway", () => {
  test("redirects a path to the origin of its root, and serves it there", async () => {
    await using node = await startNode();
    const redirect = await node.get("localhost:8080", `/ipfs/${node.site}/sub/?a=b`);
    expect(redirect.status).toBe(301);
    expect(redirect.headers.location).toBe(`http://${node.siteV1}.ipfs.localhost:8080/sub/?a=b`);
    expect(redirect.headers["access-control-allow-origin"]).toBe("*");
    const page = await node.get(`${node.siteV1}.ipfs.localhost:8080`, "/sub/?a=b");
    expect(page).toMatchObject({ status: 200, body: "<p>sub</p>" });
    expect(page.headers).toMatchObject({
      "cache-control": IMMUTABLE,
      "x-ipfs-path": `/ipfs/${node.siteV1}/sub/`,
      "access-control-allow-origin": "*",
    });
    const head = await node.get(`${node.siteV1}.ipfs.localhost:8080`, "/sub/", {}, "HEAD");
    expect(head).toMatchObject({ status: 200, body: "" });
    expect(head.headers.etag).toBe(page.headers.etag);
  });

  test("has nothing but content on an origin: no API, no health, no updates, no other roots", async () => {
    await using node = await startNode();
    const host = `${node.siteV1}.ipfs.localhost`;
    expect(await node.get(host, "/api/v0/version")).toMatchObject({ status: 200, body: "mine" });
    expect((await node.get(host, "/health")).status).toBe(404);
    expect((await node.get(host, `/ipfs/${node.site}/`)).status).toBe(404);
    expect((await node.get(host, "/ipfs/file.txt")).body).toBe("I am a txt file");
    const key = createTestName();
    const record = await makeRecord(key, { value: `/ipfs/${node.site}` });
    await node.content.http.records.publish(key.name, record, { origin: "client" });
    const api = `/api/v0/routing/get?arg=/ipns/${key.name.text}`;
    expect((await node.get("localhost", api)).status).toBe(200);
    expect((await node.get(host, api)).status).toBe(404);
    const post = await node.get(host, "/api/v0/add", {}, "POST");
    expect(post).toMatchObject({ status: 405, headers: { allow: "GET, HEAD, OPTIONS" } });
    const socket = new WebSocket(`${node.content.url.replace("http", "ws")}/ws/ipns`, {
      headers: { Host: host },
    });
    const refused = await new Promise((resolve) => {
      socket.once("unexpected-response", (_request, response) => resolve(response.statusCode));
      socket.once("open", () => resolve("open"));
      socket.on("error", () => undefined);
    });
    socket.terminate();
    expect(refused).toBe(404);
  });

  test("answers preflights everywhere", async () => {
    await using node = await startNode();
    for (const host of ["localhost", `${node.siteV1}.ipfs.localhost`, "nonsense.ipfs.localhost"]) {
      const preflight = await node.get(host, `/ipfs/${node.site}`, { Origin: "http://a.example" }, "OPTIONS");
      expect(preflight.status).toBe(204);
      expect(preflight.headers["access-control-allow-methods"]).toContain("GET");
    }
  });

  test("serves names with the time they may be kept, in every spelling by way of the canonical one", async () => {
    await using node = await startNode();
    const key = createTestName();
    const record = await makeRecord(key, { value: `/ipfs/${node.site}/sub`, ttlNs: 20_000_000_000n });
    await node.content.http.records.publish(key.name, record, { origin: "client" });
    const page = await node.get(`${key.name.text}.ipns.localhost`, "/");
    expect(page).toMatchObject({ status: 200, body: "<p>sub</p>" });
    expect(page.headers["cache-control"]).toMatch(/^public, max-age=(?:1\d|20)$/);
    expect(page.headers["x-ipfs-path"]).toBe(`/ipns/${key.name.text}/`);
    const upper = await node.get(`${key.name.text.toUpperCase()}.IPNS.LocalHost.:80`, "/");
    expect(upper).toMatchObject({ status: 200, body: "<p>sub</p>" });
    const dagPb = CID.createV1(0x70, CID.parse(key.name.text, base36).multihash);
    const corrected = await node.get(`${dagPb.toString()}.ipns.localhost:80`, "/?q");
    expect(corrected.headers.location).toBe(`http://${key.name.text}.ipns.localhost:80/?q`);
  });

  test("says what is wrong with a host, as a page to people and as text to programs", async () => {
    await using node = await startNode();
    const text = await node.get("QmInvalid.ipfs.localhost", "/");
    expect(text).toMatchObject({ status: 400, headers: { "content-type": "text/plain; charset=utf-8" } });
    expect(text.body).toContain('invalid path "/ipfs/QmInvalid"');
    const page = await node.get("QmInvalid.ipfs.localhost", "/api/v0/x", { Accept: "text/html" });
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect((await node.get(`${node.siteV1}.ipfs.paths.example`, "/")).status).toBe(404);
  });

  test("gotcha 23: a CID that is too long for a label in base32 and in base36 is 400, as a path and as a host", async () => {
    await using node = await startNode();
    const cid = CID.createV1(0x55, createDigest(0x13, new Uint8Array(64))).toString();
    for (const [host, target] of [
      ["localhost", `/ipfs/${cid}/`],
      [`${cid}.ipfs.localhost`, "/"],
    ] as const) {
      const answer = await node.get(host, target);
      expect(answer).toMatchObject({ status: 400, headers: { "cache-control": "no-store" } });
      expect(answer.body).toContain("CID incompatible with DNS label length limit of 63");
    }
  });

  test("never redirects to another host, whatever slashes the path begins with", async () => {
    await using node = await startNode();
    const host = `${node.siteV1}.ipfs.localhost`;
    for (const target of ["/evil.example", "//evil.example", "/%2fevil.example", "//%2f/evil.example"]) {
      const { status, headers } = await node.get(host, target);
      const location = new URL(headers.location ?? "", `http://${host}`);
      expect({ target, status, host: location.host }).toEqual({ target, status: 301, host });
    }
  });

  test("lists a directory with links that stay on the origin, and breadcrumbs on the gateway", async () => {
    await using node = await startNode();
    const { body } = await node.get(`${node.list}.ipfs.localhost:8080`, "/%C4%85/%C4%99/");
    expect(body).toContain("Index of");
    expect(body).toContain('<a href="/%C4%85/%C4%99/..">..</a>');
    expect(body).toContain('<a href="/%C4%85/%C4%99/file-%C5%BA%C5%82.txt">file-źł.txt</a>');
    expect(body).toContain(`<a href="//localhost:8080/ipfs/${node.list}/%C4%85">ą</a>`);
  });

  test("answers conditional requests and ranges as a path gateway does", async () => {
    await using node = await startNode();
    const host = `${node.siteV1}.ipfs.localhost`;
    const { headers } = await node.get(host, "/");
    expect((await node.get(host, "/", { "If-None-Match": headers.etag ?? "" })).status).toBe(304);
    const part = await node.get(host, "/ipfs/file.txt", { Range: "bytes=0-3" });
    expect(part).toMatchObject({ status: 206, body: "I am" });
  });
});

describe("other hosts", () => {
  test("an address is a path gateway, as is a host that is none of a domain", async () => {
    await using node = await startNode();
    for (const host of ["127.0.0.1:8080", "[::1]", "holdfast", "paths.example", ""]) {
      const page = await node.get(host, `/ipfs/${node.site}/sub/`);
      expect({ host, ...page }).toMatchObject({ host, status: 200, body: "<p>sub</p>" });
    }
    expect(node.dns.asked).toEqual([]);
  });

  test("a domain with a DNSLink is a website", async () => {
    await using node = await startNode();
    node.dns.zones.set("_dnslink.site.example", { txt: [[`dnslink=/ipfs/${node.site}/sub`]], ttlS: 20 });
    const page = await node.get("Site.Example.:8080", "/");
    expect(page).toMatchObject({ status: 200, body: "<p>sub</p>" });
    expect(page.headers["x-ipfs-path"]).toBe("/ipns/site.example/");
    expect(page.headers["cache-control"]).toMatch(/^public, max-age=(?:1\d|20)$/);
    expect((await node.get("site.example", `/ipfs/${node.site}/`)).status).toBe(404);
    expect(node.dns.asked).toEqual(["_dnslink.site.example"]);
  });

  test("a DNSLink to a name, and one to another domain, are followed", async () => {
    await using node = await startNode();
    const key = createTestName();
    const record = await makeRecord(key, { value: `/ipfs/${node.site}` });
    await node.content.http.records.publish(key.name, record, { origin: "client" });
    node.dns.zones.set("_dnslink.one.example", { txt: [["dnslink=/ipns/two.example/sub"]] });
    node.dns.zones.set("_dnslink.two.example", { txt: [[`dnslink=/ipns/${key.name.text}`]] });
    expect(await node.get("one.example", "/")).toMatchObject({ status: 200, body: "<p>sub</p>" });
    expect(await node.get("one-example.ipns.gw.example", "/")).toMatchObject({
      status: 200,
      body: "<p>sub</p>",
    });
    expect(await node.get("127.0.0.1", "/ipns/one.example/")).toMatchObject({
      status: 200,
      body: "<p>sub</p>",
    });
    expect(await node.get("gw.example", "/ipns/one.example/x")).toMatchObject({
      status: 301,
      headers: { location: "http://one-example.ipns.gw.example/x" },
    });
  });

  test("domains that link to each other are refused, and one without a link is not found", async () => {
    await using node = await startNode();
    node.dns.zones.set("_dnslink.a.example", { txt: [["dnslink=/ipns/b.example"]] });
    node.dns.zones.set("_dnslink.b.example", { txt: [["dnslink=/ipns/a.example"]] });
    expect((await node.get("a.example", "/")).status).toBe(400);
    const absent = await node.get("127.0.0.1", "/ipns/absent.example/");
    expect(absent).toMatchObject({ status: 404 });
    expect(absent.body).toContain("_dnslink.absent.example");
  });

  test("a domain without a DNSLink is a path gateway, also when DNS fails", async () => {
    await using node = await startNode();
    node.dns.zones.set("_dnslink.broken.example", { fails: 2 });
    for (const host of ["fake.example", "broken.example"]) {
      expect(await node.get(host, `/ipfs/${node.site}/`)).toMatchObject({ status: 200, body: "<p>root</p>" });
    }
    expect((await node.get("fake.example", "/")).status).toBe(404);
    expect((await node.get("broken.example", "/")).status).toBe(503);
  });

  test("our own API never waits for DNS", async () => {
    await using node = await startNode();
    node.dns.zones.set("_dnslink.slow.example", { fails: "silent" });
    node.dns.zones.set("_dnslink.site.example", { txt: [[`dnslink=/ipfs/${node.site}`]] });
    for (const host of ["slow.example", "site.example"]) {
      expect((await node.get(host, "/api/v0/version", {}, "POST")).status).toBe(200);
      expect((await node.get(host, "/api/v0/pin/rm", {}, "POST")).status).toBe(404);
    }
    expect(node.dns.asked).toEqual([]);
  });

  test("gotcha 9: a mistyped name is never looked up in DNS", async () => {
    await using node = await startNode();
    for (const root of ["undefined", "k51qzi5uqu5d", `12D3KooW${"a".repeat(40)}`]) {
      expect((await node.get("127.0.0.1", `/ipns/${root}/`)).status).toBe(400);
      expect((await node.get(`${root}.ipns.localhost`, "/")).status).toBe(400);
    }
    expect(node.dns.asked).toEqual([]);
  });

  test("nothing is looked up when DNS is off", async () => {
    await using node = await startNode({ isDnsOff: true });
    expect((await node.get("site.example", "/")).status).toBe(404);
    expect((await node.get("site.example", `/ipfs/${node.site}/`)).status).toBe(200);
    expect(node.dns.asked).toEqual([]);
  });

  test("a node that stops does not wait for DNS", async () => {
    await using node = await startNode();
    node.dns.zones.set("_dnslink.slow.example", { fails: "silent" });
    const waiting = node.get("slow.example", "/").catch((err: unknown) => err);
    await until(() => expect(node.dns.asked).toHaveLength(1));
    await node.content.http.server.close(0);
    expect(await waiting).toBeInstanceOf(Error);
  });
});

describe("what proxies forward", () => {
  const forwarded = { "X-Forwarded-Host": "gw.example:8080", "X-Forwarded-Proto": "https" };

  test("is believed from this machine when no proxies are named", async () => {
    await using node = await startNode();
    const answer = await node.get("fake.example", `/ipfs/${node.site}`, forwarded);
    expect(answer.headers).toMatchObject({
      location: `https://${node.siteV1}.ipfs.gw.example:8080/`,
      vary: "X-Forwarded-Host, X-Forwarded-Proto",
    });
    const own = await node.get("gw.example", `/ipfs/${node.site}`, { "X-Forwarded-Proto": "http" });
    expect(own.headers.location).toBe(`http://${node.siteV1}.ipfs.gw.example/`);
  });

  test("is believed from the proxies that are named, and from nobody else", async () => {
    await using trusting = await startNode({ server: { trustedProxies: ["127.0.0.0/8"] } });
    expect((await trusting.get("fake.example", `/ipfs/${trusting.site}/`, forwarded)).status).toBe(301);
    await using node = await startNode({ server: { trustedProxies: ["192.0.2.1"] } });
    expect((await node.get("fake.example", `/ipfs/${node.site}/`, forwarded)).status).toBe(200);
    const own = await node.get("gw.example", `/ipfs/${node.site}/`, forwarded);
    expect(own.headers.location).toBe(`http://${node.siteV1}.ipfs.gw.example/`);
  });

  test("is part of what caches in front tell answers apart by (R36)", async () => {
    await using node = await startNode();
    const site = `${node.siteV1}.ipfs.gw.example`;
    const own = await node.get(site, "/");
    expect(own.headers.vary).toBe("Accept");
    const answers = [
      await node.get("victim.example", "/", { "X-Forwarded-Host": site }),
      await node.get("victim.example", "/absent", { "X-Forwarded-Host": site }),
      await node.get(site, `/ipfs/${node.site}/`, { "X-Forwarded-Host": "127.0.0.1" }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 200]);
    for (const { headers } of answers) expect(headers.vary).toContain("X-Forwarded-Host");
  });

  test("puts domains into one label for the sake of certificates", async () => {
    await using node = await startNode();
    const answer = await node.get("localhost", "/ipns/en.wiki-pedia.example/x", {
      "X-Forwarded-Proto": "https",
    });
    expect(answer.headers.location).toBe("https://en-wiki--pedia-example.ipns.localhost/x");
  });

  test("does not keep updates over WebSocket from an API host", async () => {
    await using node = await startNode();
    const socket = new WebSocket(`${node.content.url.replace("http", "ws")}/ws/ipns`, {
      headers: { "X-Forwarded-Host": "node.example", Host: "node.example" },
    });
    socket.on("error", () => undefined);
    const opened = new Promise((resolve) =>
      socket.once("open", () => resolve("open")).once("close", resolve),
    );
    expect(await opened).toBe("open");
    socket.terminate();
  });
});

describe("the absolute form of a target", () => {
  test("is the same as the host in the header, and counts more", async () => {
    await using node = await startNode();
    const site = await node.get("127.0.0.1", `http://${node.siteV1}.ipfs.gw.example:80/sub/`);
    expect(site).toMatchObject({ status: 200, body: "<p>sub</p>" });
    const redirect = await node.get("127.0.0.1", `http://gw.example/ipfs/${node.site}?a=b`);
    expect(redirect.headers.location).toBe(`http://${node.siteV1}.ipfs.gw.example/?a=b`);
    expect((await node.get("x", "http://127.0.0.1/api/v0/version", {}, "POST")).status).toBe(200);
    expect((await node.get("x", `HTTP://${node.siteV1}.ipfs.gw.example`)).body).toBe("<p>root</p>");
  });

  test("makes no open proxy of us: another host is ourselves too", async () => {
    await using node = await startNode();
    expect((await node.get("x", "http://192.0.2.1/")).status).toBe(404);
    expect((await node.get("x", `http://elsewhere.example/ipfs/${node.site}/sub/`)).body).toBe("<p>sub</p>");
    for (const target of ["ftp://gw.example/", "http://user@gw.example/", "http://", "gw.example"]) {
      const { status } = await node.get("gw.example", target);
      expect({ target, status }).toEqual({ target, status: 400 });
    }
  });
});

test("an unknown DNSLink is told with its own code", async () => {
  await using node = await startNode();
  const resolved = node.content.http.records.resolvePath("/ipns/absent.example", {
    signal: AbortSignal.timeout(10_000),
  });
  await expect(resolved).rejects.toThrow(HoldfastError);
  await expect(resolved).rejects.toMatchObject({ code: "RECORD_NOT_FOUND" });
});
