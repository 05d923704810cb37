import { createServer } from "node:http";
import { HoldfastError } from "@holdfast/core";
import { describe, expect, test } from "vitest";
import { DnsOverHttps } from "../src/adapters/dns/dns-over-https.ts";
import { CachedDnslinks, type DnslinksPolicy } from "../src/adapters/dns/dnslinks.ts";
import { SystemDns } from "../src/adapters/dns/system-dns.ts";
import type { TxtLookup } from "../src/adapters/dns/txt-lookup.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { startTestDns, type TestDns } from "./support/dns-server.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { until } from "./support/until.ts";

const signal = new AbortController().signal;
/** Of lookups that are answered: far longer than a machine stands still. */
const TIMEOUT_MS = 15_000;
const A = "/ipfs/bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";
const B = "/ipfs/bafkqaddwgevxmmraojswg33smq";
const DOMAIN = "site.example";
const NAME = `_dnslink.${DOMAIN}`;
const link = (path: string) => [[`dnslink=${path}`]];

async function codeOf(work: Promise<unknown>): Promise<string> {
  const err: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return err instanceof HoldfastError ? err.code : String(err);
}

const LOOKUPS: readonly (readonly [string, (dns: TestDns, timeoutMs: number) => TxtLookup, boolean])[] = [
  ["the system's DNS", (dns, timeoutMs) => new SystemDns({ timeoutMs, servers: [dns.server] }), false],
  ["DNS over HTTPS", (dns, timeoutMs) => new DnsOverHttps({ timeoutMs, url: dns.url }), true],
];

describe.each(LOOKUPS)("%s", (_name, lookupFor, tellsTtl) => {
  test("gives the texts of each record with its strings joined, through an alias too", async () => {
    await using dns = await startTestDns({
      "a.example": { txt: [["v=spf1 ", "-all"], ["ä"]], ttlS: 120 },
      "b.example": { txt: [["x"]], ttlS: 120, alias: { name: "c.example", ttlS: 30 } },
    });
    const lookup = lookupFor(dns, TIMEOUT_MS);
    const a = await lookup.lookUp("a.example", { signal });
    expect([...a.texts].toSorted()).toEqual(["v=spf1 -all", "ä"]);
    expect(a.ttlMs).toBe(tellsTtl ? 120_000 : undefined);
    expect(await lookup.lookUp("b.example", { signal })).toEqual({
      texts: ["x"],
      ttlMs: tellsTtl ? 30_000 : undefined,
    });
  });

  test("knows that there is nothing from not knowing", async () => {
    await using dns = await startTestDns({ "empty.example": {}, "broken.example": { fails: 2 } });
    const lookup = lookupFor(dns, TIMEOUT_MS);
    expect((await lookup.lookUp("none.example", { signal })).texts).toEqual([]);
    expect((await lookup.lookUp("empty.example", { signal })).texts).toEqual([]);
    expect(await codeOf(lookup.lookUp("broken.example", { signal }))).toBe("BACKEND_UNAVAILABLE");
  });

  test("stops waiting for a silent server, and when it is told to", async () => {
    await using dns = await startTestDns({ "silent.example": { fails: "silent" } });
    expect(await codeOf(lookupFor(dns, 300).lookUp("silent.example", { signal }))).toBe("UPSTREAM_TIMEOUT");
    const askedBefore = dns.asked.length;
    const left = new AbortController();
    const waiting = lookupFor(dns, TIMEOUT_MS).lookUp("silent.example", { signal: left.signal });
    await until(() => expect(dns.asked.length).toBeGreaterThan(askedBefore));
    left.abort(new Error("the client has left"));
    await expect(waiting).rejects.toThrow("the client has left");
  });
});

describe("DNS over HTTPS", () => {
  test.each([
    ["another status", 500, "application/dns-message", Buffer.alloc(12)],
    ["another type", 200, "text/html", Buffer.from("<html>")],
    ["rubbish", 200, "application/dns-message", Buffer.from("rubbish rubbish rubbish")],
    ["too much", 200, "application/dns-message", Buffer.alloc(100_000)],
    ["a redirect", 302, "application/dns-message", Buffer.alloc(0)],
  ])("does not take %s for an answer", async (_what, status, type, body) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { "Content-Type": type, Location: "/elsewhere" }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const lookup = new DnsOverHttps({
      url: `http://127.0.0.1:${address.port}/dns-query`,
      timeoutMs: TIMEOUT_MS,
    });
    try {
      expect(await codeOf(lookup.lookUp("a.example", { signal }))).toBe("BACKEND_UNAVAILABLE");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("says so when nobody listens", async () => {
    // One that no test is given.
    const lookup = new DnsOverHttps({ url: "http://127.0.0.1:2/dns-query", timeoutMs: TIMEOUT_MS });
    expect(await codeOf(lookup.lookUp("a.example", { signal }))).toBe("BACKEND_UNAVAILABLE");
  });
});

interface TestDnslinks extends AsyncDisposable {
  readonly dns: TestDns;
  readonly clock: ManualClock;
  readonly links: CachedDnslinks;
  resolve(domain?: string): Promise<{ readonly path: string; readonly ttlMs: number } | undefined>;
}

async function startDnslinks(
  policy: Partial<DnslinksPolicy> = {},
  options: {
    readonly map?: ReadonlyMap<string, string>;
    readonly isOff?: boolean;
  } = {},
): Promise<TestDnslinks> {
  const dns = await startTestDns();
  const clock = new ManualClock();
  const lookup = options.isOff ? undefined : new DnsOverHttps({ url: dns.url, timeoutMs: TIMEOUT_MS });
  const parts = { lookup, clock, timers: clock, logger: createLogger("silent") };
  const links = new CachedDnslinks(parts, { map: options.map ?? new Map(), ...policy });
  return {
    dns,
    clock,
    links,
    resolve: (domain = DOMAIN) => links.resolve(domain, { signal }),
    async [Symbol.asyncDispose]() {
      links[Symbol.dispose]();
      await dns[Symbol.asyncDispose]();
    },
  };
}

describe("a DNSLink", () => {
  test("stands at _dnslink.{domain} and nowhere else", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(DOMAIN, { txt: link(A) });
    expect(await node.resolve()).toBeUndefined();
    node.dns.zones.set("_dnslink.other.example", { txt: link(B) });
    expect(await node.resolve("other.example")).toEqual({ path: B, ttlMs: 300_000 });
    expect(node.dns.asked).toEqual([NAME, "_dnslink.other.example"]);
  });

  test("is kept for its TTL, and the time that is left is told", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: link(A), ttlS: 100 });
    expect(await node.resolve()).toEqual({ path: A, ttlMs: 100_000 });
    node.dns.zones.set(NAME, { txt: link(B), ttlS: 100 });
    await node.clock.advance(99_000);
    expect(await node.resolve()).toEqual({ path: A, ttlMs: 1_000 });
    await node.clock.advance(1_000);
    expect(await node.resolve()).toEqual({ path: B, ttlMs: 100_000 });
    expect(node.dns.asked).toHaveLength(2);
  });

  test.each([
    [0, 5_000],
    [1_000_000, 3_600_000],
  ])("with a TTL of %i s is kept for %i ms", async (ttlS, ttlMs) => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: link(A), ttlS });
    expect(await node.resolve()).toEqual({ path: A, ttlMs });
  });

  test("is asked for once by callers that come together, and one that leaves does not stop the others", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: link(A) });
    const left = new AbortController();
    const leaving = node.links.resolve(DOMAIN, { signal: left.signal });
    const others = Array.from({ length: 50 }, () => node.resolve());
    left.abort(new Error("the client has left"));
    await expect(leaving).rejects.toThrow("the client has left");
    expect(new Set((await Promise.all(others)).map((found) => found?.path))).toEqual(new Set([A]));
    expect(node.dns.asked).toHaveLength(1);
  });

  test("that is absent is remembered for 15 s", async () => {
    await using node = await startDnslinks();
    expect(node.links.isKnownAbsent(DOMAIN)).toBe(false);
    expect(await node.resolve()).toBeUndefined();
    expect(await node.resolve()).toBeUndefined();
    expect(node.links.isKnownAbsent(DOMAIN)).toBe(true);
    expect(node.dns.asked).toHaveLength(1);
    node.dns.zones.set(NAME, { txt: link(A) });
    await node.clock.advance(15_000);
    expect(node.links.isKnownAbsent(DOMAIN)).toBe(false);
    expect((await node.resolve())?.path).toBe(A);
  });

  test("that is old is still given while DNS fails, which is asked every 5 s", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: link(A), ttlS: 60 });
    await node.resolve();
    node.dns.zones.set(NAME, { fails: 2 });
    await node.clock.advance(60_000);
    for (let i = 0; i < 3; i++) expect(await node.resolve()).toEqual({ path: A, ttlMs: 0 });
    expect(node.dns.asked).toHaveLength(2);
    node.dns.zones.set(NAME, { txt: link(B), ttlS: 60 });
    await node.clock.advance(5_000);
    expect(await node.resolve()).toEqual({ path: B, ttlMs: 60_000 });
  });

  test("that is older than a day past its TTL is not: then the failure is told", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: link(A), ttlS: 60 });
    await node.resolve();
    node.dns.zones.set(NAME, { fails: 2 });
    await node.clock.advance(60_000 + 86_400_000);
    expect(await codeOf(node.resolve())).toBe("BACKEND_UNAVAILABLE");
    expect(await codeOf(node.resolve())).toBe("BACKEND_UNAVAILABLE");
    expect(node.dns.asked).toHaveLength(2);
  });

  test("that is old is given after a second when DNS is slow, and the new one when it has come", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: link(A), ttlS: 60 });
    await node.resolve();
    node.dns.zones.set(NAME, { fails: "silent" });
    await node.clock.advance(60_000);
    const waiting = node.resolve();
    await until(() => expect(node.dns.asked).toHaveLength(2));
    await node.clock.advance(1_000);
    expect(await waiting).toEqual({ path: A, ttlMs: 0 });
  });

  test("that was absent keeps nobody waiting for more than a second, whatever DNS does afterwards", async () => {
    await using node = await startDnslinks();
    expect(await node.resolve()).toBeUndefined();
    node.dns.zones.set(NAME, { fails: 2 });
    await node.clock.advance(15_000);
    expect(await node.resolve()).toBeUndefined();
    node.dns.zones.set(NAME, { fails: "silent" });
    await node.clock.advance(15_000);
    const waiting = node.resolve();
    await until(() => expect(node.dns.asked).toHaveLength(3));
    await node.clock.advance(1_000);
    expect(await waiting).toBeUndefined();
  });

  test("is not guessed when there are several", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: [...link(A), ...link(B)] });
    expect(await codeOf(node.resolve())).toBe("INVALID_PATH");
    expect(node.links.isKnownAbsent(DOMAIN)).toBe(false);
  });

  test("is asked for again when the caller insists", async () => {
    await using node = await startDnslinks();
    node.dns.zones.set(NAME, { txt: link(A) });
    await node.resolve();
    node.dns.zones.set(NAME, { txt: link(B) });
    expect((await node.links.resolve(DOMAIN, { signal, ask: "first" }))?.path).toBe(B);
  });

  test("in the map goes before DNS", async () => {
    await using node = await startDnslinks({}, { map: new Map([[DOMAIN, B]]) });
    node.dns.zones.set(NAME, { txt: link(A) });
    expect(await node.resolve()).toEqual({ path: B, ttlMs: 60_000 });
    expect(node.links.isKnownAbsent(DOMAIN)).toBe(false);
    expect(node.dns.asked).toEqual([]);
  });

  test("is asked for neither when DNS is off, nor of names that are local", async () => {
    await using off = await startDnslinks({}, { isOff: true });
    expect(await off.resolve()).toBeUndefined();
    expect(off.links.isKnownAbsent(DOMAIN)).toBe(true);
    await using node = await startDnslinks();
    for (const domain of ["a.localhost", "printer.local", "x.invalid", "y.onion"]) {
      expect(await node.resolve(domain)).toBeUndefined();
      expect(node.links.isKnownAbsent(domain)).toBe(true);
    }
    expect(node.dns.asked).toEqual([]);
  });

  test("questions are bounded: what is over the bound is refused, or answered with what is old", async () => {
    await using node = await startDnslinks({ lookupsMax: 2 });
    node.dns.zones.set(NAME, { txt: link(A), ttlS: 60 });
    await node.resolve();
    await node.clock.advance(60_000);
    for (const domain of ["a.example", "b.example"]) {
      node.dns.zones.set(`_dnslink.${domain}`, { fails: "silent" });
      node.resolve(domain).catch(() => {});
    }
    expect(await codeOf(node.resolve("c.example"))).toBe("OVERLOADED");
    expect(await node.resolve()).toEqual({ path: A, ttlMs: 0 });
  });

  test("questions under way end when the node stops", async () => {
    const node = await startDnslinks();
    node.dns.zones.set(NAME, { fails: "silent" });
    const waiting = codeOf(node.resolve());
    await until(() => expect(node.dns.asked).toHaveLength(1));
    await node[Symbol.asyncDispose]();
    expect(await waiting).toBe("SHUTTING_DOWN");
  });
});
