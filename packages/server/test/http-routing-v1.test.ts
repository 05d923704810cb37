import { formatIpnsName, type IpnsName } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import type { ContentRouting, RoutedPeer } from "../src/content/content-routing.ts";
import { createTestName, makeRecord, type RecordFacts, type TestKey } from "./support/records.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";

const RECORD_TYPE = "application/vnd.ipfs.ipns-record";
const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

const urlOf = (node: TestHttp, name: IpnsName): string => `${node.url}/routing/v1/ipns/${name.text}`;

async function put(node: TestHttp, name: IpnsName, body: Uint8Array, type = RECORD_TYPE): Promise<Response> {
  return fetch(urlOf(node, name), {
    method: "PUT",
    body: new Uint8Array(body),
    headers: { "Content-Type": type },
  });
}

async function publish(node: TestHttp, key: TestKey, facts: RecordFacts = {}): Promise<Uint8Array> {
  const bytes = await makeRecord(key, facts);
  await node.records.publish(key.name, bytes, { origin: "client" });
  return bytes;
}

/** Numbers of `name=number` directives. */
function directives(response: Response): Record<string, number> {
  const text = response.headers.get("cache-control") ?? "";
  expect(text).toMatch(/^public(, [a-z-]+=\d+)+$/);
  return Object.fromEntries(
    [...text.matchAll(/([a-z-]+)=(\d+)/g)].map(([, name = "", number]) => [name, Number(number)]),
  );
}

describe("GET /routing/v1/ipns", () => {
  it("gotcha 18: gives the stored bytes with the headers of the specification", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const eolMs = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
    const bytes = await publish(node, key, { eolMs, ttlNs: 30_000_000_000n });
    const response = await fetch(urlOf(node, key.name), { headers: { Accept: RECORD_TYPE } });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": RECORD_TYPE,
      "content-disposition": `attachment; filename="${key.name.text}.ipns-record"`,
      "content-length": String(bytes.length),
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/) as string,
      expires: new Date(eolMs).toUTCString(),
      "last-modified": new Date(node.clock.nowMs()).toUTCString(),
      vary: "Accept",
      "x-ipns-sequence": "1",
    });
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
    const cache = directives(response);
    expect(cache["max-age"]).toBe(30);
    const remainingS = Math.floor((eolMs - node.clock.nowMs()) / 1000);
    expect(cache).toEqual({
      "max-age": 30,
      "stale-while-revalidate": remainingS - 30,
      "stale-if-error": remainingS - 30,
    });
  });

  it.each([
    ["no TTL", { v1Compatible: false, ttlNs: 0n }, 60],
    ["a TTL of 100 years", { ttlNs: 3_155_760_000_000_000_000n }, 60],
    ["a TTL of 5 minutes and an EOL in 10 s", { ttlNs: 300_000_000_000n, eolMs: 10_000 }, 10],
    ["a TTL of 2.9 s", { ttlNs: 2_900_000_000n }, 2],
  ])("gotcha 10, gotcha 11: bounds max-age: %s", async (_what, facts, maxAgeS) => {
    await using node = await startHttp();
    const key = createTestName();
    const eolMs = "eolMs" in facts ? node.clock.nowMs() + facts.eolMs : undefined;
    await publish(node, key, {
      ...facts,
      ...(eolMs === undefined ? { eolMs: Date.now() + 99 * 31_557_600_000 } : { eolMs }),
    });
    const cache = directives(await fetch(urlOf(node, key.name)));
    expect(cache["max-age"]).toBe(maxAgeS);
    const remainingS = ((eolMs ?? Number.POSITIVE_INFINITY) - node.clock.nowMs()) / 1000;
    expect(maxAgeS + (cache["stale-while-revalidate"] ?? Number.NaN)).toBeLessThanOrEqual(remainingS);
  });

  it("gotcha 18: answers 304 to its tag, with tag and lifetime, and 200 once the record has moved", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await publish(node, key);
    const tag = (await fetch(urlOf(node, key.name))).headers.get("etag") ?? "";
    const unchanged = await fetch(urlOf(node, key.name), { headers: { "If-None-Match": tag } });
    expect(unchanged.status).toBe(304);
    expect(unchanged.headers.get("etag")).toBe(tag);
    expect(unchanged.headers.get("cache-control")).toMatch(/max-age=/);
    expect((await unchanged.arrayBuffer()).byteLength).toBe(0);
    await publish(node, key, { sequence: 2n });
    expect((await fetch(urlOf(node, key.name), { headers: { "If-None-Match": tag } })).status).toBe(200);
  });

  it("gives HEAD the headers of GET and no body", async () => {
    await using node = await startHttp();
    const key = createTestName();
    await publish(node, key);
    const [get, head] = [
      await fetch(urlOf(node, key.name)),
      await fetch(urlOf(node, key.name), { method: "HEAD" }),
    ];
    const ofAnswer = ({ headers }: Response) =>
      Object.fromEntries([...headers].filter(([name]) => !/^(date|connection|keep-alive)$/.test(name)));
    expect(ofAnswer(head)).toEqual(ofAnswer(get));
    expect((await head.arrayBuffer()).byteLength).toBe(0);
  });

  it.each([undefined, "*/*", "application/*", `${RECORD_TYPE};q=0.9, text/html`])(
    "gotcha 18: accepts Accept: %s",
    async (accept) => {
      await using node = await startHttp();
      const key = createTestName();
      await publish(node, key);
      const response = await fetch(urlOf(node, key.name), {
        headers: accept === undefined ? {} : { Accept: accept },
      });
      expect(response.headers.get("content-type")).toBe(RECORD_TYPE);
    },
  );

  it("gotcha 18: refuses other types with 406 in plain text, and a name that is none with 400", async () => {
    await using node = await startHttp();
    const refused = await fetch(urlOf(node, createTestName().name), { headers: { Accept: "text/html" } });
    expect(refused.status).toBe(406);
    expect(refused.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await refused.text()).toContain(RECORD_TYPE);
    for (const name of ["undefined", CID, "k51x"]) {
      expect((await fetch(`${node.url}/routing/v1/ipns/${name}`)).status).toBe(400);
    }
  });

  it.each(["Ed25519", "RSA"] as const)("gotcha 8: takes base58 and any multibase: %s", async (type) => {
    await using node = await startHttp();
    const key = createTestName(type);
    const bytes = await publish(node, key);
    const base32 = formatIpnsName(key.name, "base32");
    for (const text of [formatIpnsName(key.name, "base58btc"), base32, base32.toUpperCase()]) {
      const response = await fetch(`${node.url}/routing/v1/ipns/${text}`);
      expect(response.headers.get("content-disposition")).toContain(key.name.text);
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
    }
  });

  it("P5, gotcha 17: says that there is no record for 15 s and no longer, and never again after a put", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const negative = await fetch(urlOf(node, key.name));
    expect(negative.status).toBe(200);
    expect(negative.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(negative.headers.get("cache-control")).toBe("public, max-age=15");
    expect(negative.headers.get("vary")).toBe("Accept");
    expect(await negative.text()).toBe("delegate error: routing: not found\n");
    expect((await put(node, key.name, await makeRecord(key))).status).toBe(200);
    expect((await fetch(urlOf(node, key.name))).headers.get("content-type")).toBe(RECORD_TYPE);
  });
});

describe("PUT /routing/v1/ipns", () => {
  it("stores a record and answers 200 with nothing, again for the same bytes", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const bytes = await makeRecord(key);
    for (let i = 0; i < 2; i++) {
      const response = await put(node, key.name, bytes);
      expect([response.status, await response.text()]).toEqual([200, ""]);
    }
    expect(node.records.held(key.name)?.record.bytes).toEqual(bytes);
  });

  it.each([
    [
      "an older record",
      async (key: TestKey) => makeRecord(key, { sequence: 0n }),
      400,
      "rejecting IPNS record",
    ],
    [
      "a record of somebody else",
      async () => makeRecord(createTestName(), { sequence: 2n }),
      400,
      "signature",
    ],
    ["10,241 bytes", () => Promise.resolve(new Uint8Array(10_241)), 400, "exceeds 10240"],
    ["64 KiB and a byte", () => Promise.resolve(new Uint8Array(65_537)), 413, "larger than"],
    ["nothing", () => Promise.resolve(new Uint8Array()), 400, "empty"],
  ])("refuses %s in plain text", async (_what, make, status, text) => {
    await using node = await startHttp();
    const key = createTestName();
    await publish(node, key, { sequence: 1n });
    const response = await put(node, key.name, await make(key));
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toContain(text);
    expect(node.records.held(key.name)?.record.sequence).toBe(1n);
  });

  it("refuses another Content-Type with 406", async () => {
    await using node = await startHttp();
    const key = createTestName();
    expect((await put(node, key.name, await makeRecord(key), "application/octet-stream")).status).toBe(406);
  });
});

const PEERS: readonly RoutedPeer[] = Array.from({ length: 30 }, (_, i) => ({
  id: `12D3KooW${i}`,
  addrs: [`/ip4/192.0.2.${i}/tcp/4001`, `/ip4/192.0.2.${i}/udp/4001/quic-v1`],
  protocols: i % 2 === 0 ? ["transport-bitswap"] : [],
}));

/** Routing that knows a list of peers for every CID, and fails after some of them if wanted. */
function routingOf(peers: readonly RoutedPeer[], failAfter?: number): ContentRouting {
  return {
    async *findProviders(_cid, { limit }) {
      let count = 0;
      for (const peer of peers.slice(0, limit)) {
        if (count++ === failAfter) throw new Error("lost");
        yield await Promise.resolve(peer);
      }
    },
    findPeer: async (peerId) => Promise.resolve(peers.find(({ id }) => id === peerId)),
    provide: () => Promise.resolve(),
  };
}

describe("GET /routing/v1/providers and /peers", () => {
  const providers = (node: TestHttp, query = "", accept?: string) =>
    fetch(`${node.url}/routing/v1/providers/${CID}${query}`, {
      headers: accept === undefined ? {} : { Accept: accept },
    });

  it("gives at most 20 peers as JSON, to be kept for five minutes", async () => {
    await using node = await startHttp({ contentRouting: routingOf(PEERS) });
    const response = await providers(node);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toMatch(
      /^public, max-age=300, stale-while-revalidate=172800/,
    );
    expect(response.headers.get("vary")).toBe("Accept");
    expect(response.headers.get("last-modified")).not.toBeNull();
    const { Providers } = (await response.json()) as { Providers: unknown[] };
    expect(Providers).toHaveLength(20);
    expect(Providers[0]).toEqual({
      Schema: "peer",
      ID: "12D3KooW0",
      Addrs: ["/ip4/192.0.2.0/tcp/4001", "/ip4/192.0.2.0/udp/4001/quic-v1"],
      Protocols: ["transport-bitswap"],
    });
  });

  it("gotcha 18: gives all of them as lines when asked for NDJSON", async () => {
    await using node = await startHttp({ contentRouting: routingOf(PEERS) });
    const response = await providers(node, "", "application/x-ndjson, application/json;q=0.5");
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = (await response.text()).trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { ID: string }).ID)).toEqual(PEERS.map(({ id }) => id));
  });

  it.each([
    ["nobody knows any", routingOf([]), ""],
    ["the filters leave none", routingOf(PEERS), "?filter-addrs=webtransport"],
    ["there is no network", undefined, ""],
  ])(
    "gotcha 18: gives an empty list, never null, for 15 s, when %s",
    async (_what, contentRouting, query) => {
      await using node = await startHttp(contentRouting === undefined ? {} : { contentRouting });
      const json = await providers(node, query);
      expect([json.status, json.headers.get("cache-control")]).toEqual([200, "public, max-age=15"]);
      expect(await json.json()).toEqual({ Providers: [] });
      const lines = await providers(node, query, "application/x-ndjson");
      expect([lines.status, await lines.text()]).toEqual([200, ""]);
      expect(
        await (await fetch(`${node.url}/routing/v1/peers/${createTestName().name.text}`)).json(),
      ).toEqual({
        Peers: [],
      });
    },
  );

  it("applies the filters of IPIP-484", async () => {
    await using node = await startHttp({ contentRouting: routingOf(PEERS) });
    const response = await providers(node, "?filter-addrs=quic-v1&filter-protocols=transport-bitswap");
    const { Providers } = (await response.json()) as {
      Providers: { Addrs: string[]; Protocols: string[] }[];
    };
    expect(Providers).toHaveLength(15);
    for (const { Addrs, Protocols } of Providers) {
      expect(Addrs.every((addr) => addr.includes("/quic-v1"))).toBe(true);
      expect(Protocols).toEqual(["transport-bitswap"]);
    }
  });

  it("gotcha 18: two filters for one CID never share an answer, also when they are asked at once", async () => {
    await using node = await startHttp({ contentRouting: routingOf(PEERS) });
    const addrs = async (filter: string) => {
      const response = await providers(node, `?filter-addrs=${filter}`);
      const { Providers } = (await response.json()) as { Providers: { Addrs: string[] }[] };
      return new Set(Providers.flatMap(({ Addrs }) => Addrs.map((addr) => addr.split("/")[3])));
    };
    for (const filters of [
      ["udp", "tcp"],
      ["tcp", "udp"],
    ]) {
      expect(await Promise.all(filters.map(addrs))).toEqual(filters.map((filter) => new Set([filter])));
    }
  });

  it("finds a peer under every spelling of its id", async () => {
    const key = createTestName();
    const id = formatIpnsName(key.name, "base58btc");
    await using node = await startHttp({ contentRouting: routingOf([{ id, addrs: [], protocols: [] }]) });
    for (const spelling of [id, key.name.text]) {
      const response = await fetch(`${node.url}/routing/v1/peers/${spelling}`);
      expect(await response.json()).toEqual({
        Peers: [{ Schema: "peer", ID: id, Addrs: [], Protocols: [] }],
      });
    }
  });

  it("gotcha 15: breaks a stream of lines that fails in the middle (HTTP contract, rule 9, not a trailer), and answers 500 when it fails before", async () => {
    await using node = await startHttp({ contentRouting: routingOf(PEERS, 5) });
    const broken = await providers(node, "", "application/x-ndjson");
    await expect(broken.text()).rejects.toThrow(/terminated/);
    expect((await providers(node)).status).toBe(500);
  });

  it("refuses what is not a CID, a peer id or a type on offer", async () => {
    await using node = await startHttp({ contentRouting: routingOf(PEERS) });
    const statuses = await Promise.all([
      fetch(`${node.url}/routing/v1/providers/nonsense`),
      fetch(`${node.url}/routing/v1/peers/${CID}`),
      providers(node, "", "text/html"),
      fetch(`${node.url}/routing/v1/providers/${CID}`, { method: "POST" }),
      fetch(`${node.url}/routing/v1/nothing`),
    ]);
    expect(statuses.map(({ status }) => status)).toEqual([400, 400, 406, 405, 404]);
  });
});
