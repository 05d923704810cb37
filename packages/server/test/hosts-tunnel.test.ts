import { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { CachedDnslinks } from "../src/adapters/dns/dnslinks.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { makeDag } from "./support/gateway.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { rawConnection, type RawConnection, startHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

async function startNode(): Promise<TestContent & { readonly root: string }> {
  const { root, blocks } = await makeDag({ "d/index.html": "<p>root</p>" });
  const dnslinks = new CachedDnslinks(
    { lookup: undefined, clock: systemClock, timers: systemClock, logger: createLogger("silent") },
    { map: new Map([["site.example", `/ipfs/${root}`]]) },
  );
  const node = await startContent({
    dnslinks,
    server: { gatewayHosts: [{ host: "localhost", mode: "subdomain", inlinesDomains: false }] },
  });
  await node.vault.put(blocks);
  return {
    ...node,
    root: CID.parse(root).toV1().toString(),
    [Symbol.asyncDispose]: node[Symbol.asyncDispose],
  };
}

const connectTo = (target: string): string => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;
const requestFor = (host: string, target: string): string =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n";

/** Everything received once that contains the text. */
async function received(connection: RawConnection, text: string): Promise<string> {
  await until(() => expect(connection.received).toContain(text));
  return connection.received;
}

test("a tunnel to any host that is served here leads back to us, for several requests", async () => {
  await using node = await startNode();
  const { port } = node.http;
  const targets = [
    `127.0.0.1:${port}`,
    "localhost:80",
    `${node.root}.ipfs.localhost:8080`,
    "site.example:80",
  ];
  for (const target of targets) {
    using connection = await rawConnection(port);
    connection.write(connectTo(target));
    await received(connection, ESTABLISHED);
    connection.write(requestFor(`${node.root}.ipfs.localhost`, "/"));
    await received(connection, "<p>root</p>");
    connection.write(requestFor("localhost", `/ipfs/${node.root}/x`));
    const location = `Location: http://${node.root}.ipfs.localhost/x\r\n`;
    expect(await received(connection, location)).toContain("HTTP/1.1 301 ");
  }
});

test("what is sent together with CONNECT is not lost", async () => {
  await using node = await startNode();
  using connection = await rawConnection(node.http.port);
  connection.write(connectTo("localhost:80") + requestFor("site.example", "/"));
  await received(connection, "<p>root</p>");
  expect(connection.received.startsWith(ESTABLISHED)).toBe(true);
});

test.each([
  ["elsewhere.example:80", 405],
  ["192.0.2.1:80", 405],
  ["127.0.0.1:1", 405],
  ["elsewhere.example:443", 405],
  ["localhost:443", 400],
  ["localhost", 400],
  ["/ipfs/x", 400],
])("a tunnel to %s is refused with %i", async (target, status) => {
  await using node = await startNode();
  using connection = await rawConnection(node.http.port);
  connection.write(connectTo(target));
  const answer = await connection.closed;
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(answer).toContain("Connection: close\r\n");
  expect(answer).toContain("Access-Control-Allow-Origin: *\r\n");
});

test("there is no tunnel inside a tunnel", async () => {
  await using node = await startNode();
  using connection = await rawConnection(node.http.port);
  connection.write(connectTo("localhost:80"));
  await received(connection, ESTABLISHED);
  connection.write(connectTo("localhost:80"));
  expect(await connection.closed).toContain("HTTP/1.1 400 Bad Request");
});

test.each([
  ["its idle time is over", { idleMsMax: 100 }],
  ["no request comes in time", { headersMsMax: 100 }],
])("a tunnel is closed when %s", async (_why, listener) => {
  await using node = await startHttp({ server: { listener } });
  // A machine that stands still meets the limit before there is a tunnel: then another one is tried.
  await until(async () => {
    using connection = await rawConnection(node.port);
    connection.write(connectTo(`127.0.0.1:${node.port}`));
    expect((await connection.closed).startsWith(ESTABLISHED)).toBe(true);
  });
});

test("a tunnel does not outlive the node, used or not", async () => {
  await using node = await startNode();
  using used = await rawConnection(node.http.port);
  used.write(connectTo("localhost:80") + requestFor("site.example", "/"));
  await received(used, "<p>root</p>");
  using unused = await rawConnection(node.http.port);
  unused.write(connectTo("localhost:80"));
  await received(unused, ESTABLISHED);
  await node.http.server.close(200);
  expect(await used.closed).toContain("<p>root</p>");
  expect(await unused.closed).toBe(ESTABLISHED);
});

test("a tunnel takes one request out of the client's rate", async () => {
  await using node = await startHttp({
    server: { rateLimits: true, rates: { readsPerClient: { perSecond: 0.001, burst: 1 } } },
  });
  using first = await rawConnection(node.port);
  first.write(connectTo(`127.0.0.1:${node.port}`));
  await received(first, ESTABLISHED);
  using second = await rawConnection(node.port);
  second.write(connectTo(`127.0.0.1:${node.port}`));
  expect(await second.closed).toMatch(/^HTTP\/1.1 429 .*\r\nRetry-After: \d+\r\n/s);
});

test("a client that leaves right after CONNECT hurts nobody", async () => {
  await using node = await startNode();
  for (let i = 0; i < 20; i++) {
    using connection = await rawConnection(node.http.port);
    connection.write(connectTo("localhost:80"));
  }
  using connection = await rawConnection(node.http.port);
  connection.write(requestFor("127.0.0.1", "/health"));
  expect(await received(connection, "\r\n\r\n")).toContain("HTTP/1.1 200 OK");
});
