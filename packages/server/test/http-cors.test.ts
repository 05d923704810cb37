import { HoldfastError } from "@holdfast/core";
import { WebSocket } from "ws";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryRecordStore } from "../src/adapters/memory/record-store.ts";
import { WritePolicy } from "../src/http/write-policy.ts";
import { blockOf } from "./support/blocks.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { rawConnection, startHttp, type TestHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const key = createTestName();
const unknown = createTestName().name.text;
const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const held = key.name.text;

/** A store that refuses puts of one name. */
class HalfStore extends MemoryRecordStore {
  override async put(...[record, facts]: Parameters<MemoryRecordStore["put"]>) {
    if (record.name.text === broken.name.text) throw new HoldfastError("STORE_FAILED", "no");
    return super.put(record, facts);
  }
}
const broken = createTestName();

const submitted = blockOf("submitted").cid.toString();

let node: TestHttp;
let content: TestContent;
beforeAll(async () => {
  content = await startContent();
  node = await startHttp({
    recordsParts: { store: new HalfStore() },
    server: {
      routes: [
        (app) => {
          app.get("/test/500", () => {
            throw new Error("unforeseen");
          });
        },
      ],
    },
  });
  await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await content[Symbol.asyncDispose]();
});

function allowOrigins(head: string): string[] {
  return [...head.matchAll(/^access-control-allow-origin:\s*(.*?)\r?$/gim)].map((match) => match[1] ?? "");
}

/** The raw head of an answer: `fetch` would join doubled headers. */
async function headOf(port: number, request: string): Promise<string> {
  using connection = await rawConnection(port);
  connection.write(request);
  const received = await connection.closed;
  return received.slice(0, received.indexOf("\r\n\r\n") + 2);
}

function requestText(method: string, path: string, headers: readonly string[] = [], body = ""): string {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    "Host: x",
    "Origin: https://app.example",
    "Connection: close",
    ...headers,
  ];
  if (body !== "") lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

type Row = [status: number, method: string, path: string, headers?: readonly string[], body?: string];

describe("R35: exactly one Access-Control-Allow-Origin on every answer", () => {
  const inm = (tag: string): string[] => [`If-None-Match: ${tag}`];
  const rows: readonly Row[] = [
    [200, "GET", `/api/v0/routing/get?arg=/ipns/${held}`],
    [200, "POST", `/api/v0/routing/get?arg=/ipns/${held}`],
    [200, "GET", `/api/v0/routing/get?arg=/ipns/${held}`, ["X-No-Cache: 1"]],
    [304, "GET", `/api/v0/routing/get?arg=/ipns/${held}`, inm("*")],
    [404, "GET", `/api/v0/routing/get?arg=/ipns/${unknown}`],
    [400, "GET", "/api/v0/routing/get"],
    [400, "POST", "/api/v0/routing/get?arg=nonsense"],
    [405, "PUT", "/api/v0/routing/get?arg=x"],
    [405, "GET", "/api/v0/routing/put?arg=x"],
    [
      400,
      "POST",
      `/api/v0/routing/put?arg=${held}`,
      ["Content-Type: multipart/form-data; boundary=b"],
      "garbage",
    ],
    [400, "POST", `/api/v0/routing/put?arg=${held}`, [], "garbage"],
    [413, "POST", `/api/v0/routing/put?arg=${held}`, ["Content-Length: 70000"]],
    [200, "GET", `/api/v0/name/resolve?arg=${held}`],
    [404, "POST", `/api/v0/name/resolve?arg=${unknown}`],
    [400, "POST", "/api/v0/name/resolve"],
    [200, "POST", "/api/v0/version"],
    [200, "GET", "/api/v0/version"],
    [405, "DELETE", "/api/v0/version"],
    [404, "POST", "/api/v0/pin/rm"],
    [404, "GET", "/api/v0/id"],
    [404, "HEAD", "/nowhere"],
    [404, "PROPFIND", "/nowhere"],
    [200, "GET", `/routing/v1/ipns/${held}`],
    [200, "HEAD", `/routing/v1/ipns/${held}`],
    [304, "GET", `/routing/v1/ipns/${held}`, inm("*")],
    [200, "GET", `/routing/v1/ipns/${unknown}`],
    [406, "GET", `/routing/v1/ipns/${held}`, ["Accept: text/html"]],
    [400, "GET", "/routing/v1/ipns/nonsense"],
    [406, "PUT", `/routing/v1/ipns/${held}`, [], "x"],
    [400, "PUT", `/routing/v1/ipns/${held}`, ["Content-Type: application/vnd.ipfs.ipns-record"], "x"],
    [405, "POST", `/routing/v1/ipns/${held}`],
    [200, "GET", `/routing/v1/providers/${CID}`],
    [200, "GET", `/routing/v1/providers/${CID}`, ["Accept: application/x-ndjson"]],
    [400, "GET", "/routing/v1/providers/nonsense"],
    [200, "GET", `/routing/v1/peers/${held}`],
    [200, "GET", "/health"],
    [200, "HEAD", "/health"],
    [400, "GET", "/ws/ipns"],
    [200, "HEAD", `/ipns/events?name=${held}`],
    [400, "GET", "/ipns/events?name=nonsense"],
    [405, "POST", `/ipns/events?name=${held}`],
    [500, "GET", "/test/500"],
    [400, "GET", "/test/%zz/%"],
    [400, "GET", `/${"x".repeat(9000)}`],
    [431, "GET", "/health", [`X-Large: ${"x".repeat(20_000)}`]],
    [400, "GET", "/health", ["Expect: the-impossible"]],
    [400, "GET", "/health", ["not a header"]],
    [405, "CONNECT", "example.com:443"],
    [204, "OPTIONS", `/api/v0/routing/get?arg=/ipns/${held}`],
    [204, "OPTIONS", "/api/v0/routing/put"],
    [204, "OPTIONS", `/ipfs/${CID}/a/b`],
    [204, "OPTIONS", "/ws/ipns"],
    [204, "OPTIONS", "/nowhere"],
  ];
  it.each<Row>(rows)("%d %s %.60s %j", async (status, method, path, headers, body) => {
    const head = await headOf(node.port, requestText(method, path, headers, body));
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(allowOrigins(head)).toEqual(["*"]);
    expect(head.match(/^access-control-expose-headers:/gim)).toHaveLength(1);
  });

  it.each<Row>([
    [200, "POST", `/sidecar/submit?cid=${submitted}`, [], "submitted"],
    [400, "POST", `/sidecar/submit?cid=${submitted}`, [], "something else"],
    [400, "POST", "/sidecar/submit", [], "submitted"],
    [413, "POST", `/sidecar/submit?cid=${submitted}`, ["Content-Length: 99999999999"]],
    [405, "GET", "/sidecar/submit"],
    [200, "GET", "/sidecar/blob?cid=bafkqaaa"],
    [200, "HEAD", "/sidecar/blob?arg=bafkqaaa"],
    [200, "POST", "/sidecar/blob?arg=bafkqaaa"],
    [404, "GET", `/sidecar/blob?cid=${CID}`],
    [400, "GET", "/sidecar/blob?cid=nonsense"],
    [200, "GET", "/sidecar/cache-stats"],
    [404, "GET", "/sidecar/nowhere"],
    [200, "GET", `/pin-status?cid=${CID}`],
    [400, "GET", "/pin-status"],
    [204, "OPTIONS", "/sidecar/submit"],
  ])("%d %s %.60s %j", async (status, method, path, headers, body) => {
    const head = await headOf(content.http.port, requestText(method, path, headers, body));
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(allowOrigins(head)).toEqual(["*"]);
  });

  it("503 when the store fails", async () => {
    const body = new Uint8Array(await makeRecord(broken));
    const response = await fetch(`${node.url}/api/v0/routing/put?arg=${broken.name.text}`, {
      method: "POST",
      body,
    });
    expect(response.status).toBe(503);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
  });

  it("401 and 403 when the policy refuses", async () => {
    for (const [kind, status] of [
      ["token", 401],
      ["closed", 403],
    ] as const) {
      await using strict = await startHttp({ writePolicy: new WritePolicy({ kind }) });
      const head = await headOf(strict.port, requestText("POST", `/api/v0/routing/put?arg=${held}`, [], "x"));
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(allowOrigins(head)).toEqual(["*"]);
    }
  });

  it("429 over the rate, at the hot path and elsewhere, and over the requests in flight", async () => {
    const rates = { readsPerClient: { perSecond: 0.001, burst: 2 } };
    await using slow = await startHttp({ server: { rateLimits: true, rates } });
    await slow.records.publish(key.name, await makeRecord(key), { origin: "client" });
    const paths = [
      `/api/v0/routing/get?arg=${held}`,
      "/health",
      `/api/v0/routing/get?arg=${held}`,
      "/health",
    ];
    const heads: string[] = [];
    for (const path of paths) heads.push(await headOf(slow.port, requestText("GET", path)));
    expect(heads.map((head) => head.slice(9, 12))).toEqual(["200", "200", "429", "429"]);
    for (const head of heads) expect(allowOrigins(head)).toEqual(["*"]);
    expect(heads[3]).toMatch(/^retry-after: \d+\r$/im);
    expect(slow.server.refusals.clients).toBe(2);

    await using full = await startHttp({ server: { listener: { requestsMax: 0 } } });
    const head = await headOf(full.port, requestText("GET", "/health"));
    expect(head).toMatch(/^HTTP\/1.1 429 /);
    expect(allowOrigins(head)).toEqual(["*"]);
  });

  it("101 of a WebSocket handshake, and 400 and 429 of a refused one", async () => {
    const upgrade = [
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    const asUpgrade = (text: string): string => text.replace("Connection: close", "Connection: Upgrade");
    using accepted = await rawConnection(node.port);
    accepted.write(asUpgrade(requestText("GET", "/ws/ipns", upgrade)));
    await until(() => expect(accepted.received).toContain("\r\n\r\n"));
    expect(accepted.received).toMatch(/^HTTP\/1.1 101 /);
    expect(allowOrigins(accepted.received)).toEqual(["*"]);

    const malformed = await headOf(node.port, asUpgrade(requestText("GET", "/ws/ipns", upgrade.slice(0, 2))));
    expect(malformed).toMatch(/^HTTP\/1.1 400 /);
    expect(allowOrigins(malformed)).toEqual(["*"]);

    await using small = await startHttp({ server: { push: { connectionsPerClientMax: 0 } } });
    const refused = await headOf(small.port, asUpgrade(requestText("GET", "/ws/ipns", upgrade)));
    expect(refused).toMatch(/^HTTP\/1.1 429 /);
    expect(allowOrigins(refused)).toEqual(["*"]);
  });

  it("also on answers to requests without an Origin, so that caches may share them", async () => {
    for (const path of ["/health", `/api/v0/routing/get?arg=${held}`]) {
      expect((await fetch(node.url + path)).headers.get("access-control-allow-origin")).toBe("*");
    }
  });
});

it("tells preflights what may be sent, and for how long that holds", async () => {
  const { status, headers } = await fetch(`${node.url}/api/v0/routing/put`, {
    method: "OPTIONS",
    headers: { Origin: "https://app.example", "Access-Control-Request-Method": "POST" },
  });
  expect(status).toBe(204);
  expect(headers.get("access-control-max-age")).toBe("86400");
  const listOf = (name: string): string[] => (headers.get(name) ?? "").split(", ");
  expect(listOf("access-control-allow-methods")).toEqual(
    expect.arrayContaining(["GET", "HEAD", "POST", "PUT", "OPTIONS"]),
  );
  expect(listOf("access-control-allow-headers")).toEqual(
    expect.arrayContaining([
      "Content-Type",
      "Accept",
      "Range",
      "X-No-Cache",
      "If-None-Match",
      "Cache-Control",
      "Authorization",
    ]),
  );
  expect(listOf("access-control-expose-headers")).toEqual(
    expect.arrayContaining(["X-IPNS-Sequence", "ETag", "Retry-After"]),
  );
});

it("accepts WebSocket handshakes from any origin", async () => {
  const socket = new WebSocket(node.url.replace("http", "ws") + "/ws/ipns", {
    origin: "https://app.example",
  });
  const outcome = await new Promise((resolve) => {
    socket.once("open", () => resolve("open")).once("error", resolve);
  });
  socket.close();
  expect(outcome).toBe("open");
});
