import { formatIpnsName } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import { verifySignature } from "../src/adapters/crypto/verify-signature.ts";
import { HttpRouter, type HttpRouterOptions } from "../src/adapters/routers/http-router.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { RECORD_TYPE, type RouterBehaviour, startRouterServer } from "./support/router-server.ts";
import { until } from "./support/until.ts";

const signal = new AbortController().signal;
const HOUR_MS = 3_600_000;

/** A router whose time the test moves: a busy machine makes no answer late. */
async function setUp(behaviour: RouterBehaviour, options: Partial<HttpRouterOptions> = {}) {
  const server = await startRouterServer(behaviour);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const clock = new ManualClock();
  let heads = 0;
  const countHeads: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    heads++;
    return response;
  };
  const parts = { clock, verifySignature, fetch: countHeads };
  const router = new HttpRouter(parts, { baseUrl: server.url, ...options });
  const get = async (name = createTestName().name, given = signal): Promise<Uint8Array[]> => {
    const found: Uint8Array[] = [];
    for await (const bytes of router.get(name, { signal: given })) found.push(bytes);
    return found;
  };
  return { clock, server, router, get, heads: () => heads };
}

describe("asking a router for a record", () => {
  test("it asks as the specification says, and marks itself against loops", async () => {
    const { server, get } = await setUp("honest");
    const key = createTestName();
    const record = await makeRecord(key);
    server.records.set(key.name.text, record);
    expect(await get(key.name)).toEqual([record]);
    expect(server.asked).toEqual([`GET /routing/v1/ipns/${key.name.text}`]);
    expect(server.headers[0]).toMatchObject({
      accept: RECORD_TYPE,
      "accept-encoding": "identity",
      "cdn-loop": "holdfast",
    });
  });

  test("gotcha 17: IPIP-513 and 404 both say that there is no record, and no text is taken for one", async () => {
    for (const behaviour of ["honest", "404", "html"] as const) {
      const { get } = await setUp(behaviour);
      expect(await get()).toEqual([]);
    }
  });

  test("what claims to be a record is handed on for others to judge, even when it is empty or rubbish", async () => {
    expect(await (await setUp("garbage as a record")).get()).toEqual([new Uint8Array([0xff, 0, 1, 2])]);
    expect(await (await setUp("empty record")).get()).toEqual([new Uint8Array()]);
  });

  test.each([
    ["silent", { idleMsMax: 250, requestMsMax: HOUR_MS }, "no progress"],
    ["stalls in the body", { idleMsMax: 250, requestMsMax: HOUR_MS }, "no progress"],
    ["drips", { idleMsMax: HOUR_MS, requestMsMax: 250 }, "too slow"],
  ] as const)("one that keeps us waiting is given up within its time: %s", async (behaviour, bounds, why) => {
    const { clock, server, get, heads } = await setUp(behaviour, bounds);
    const failing = get().catch((err: unknown) => err);
    await until(() => expect(behaviour === "silent" ? server.open : heads()).toBe(1));
    await clock.advance(250);
    const failure = { name: "HoldfastError", code: "UPSTREAM_TIMEOUT", cause: { message: why } };
    expect(await failing).toMatchObject(failure);
    // Nothing is left open behind it.
    await until(() => expect(server.open).toBe(0));
  });

  test.each(["reset", "reset in the body", "500", "redirects", "huge record"] as const)(
    "one that does this has failed without any wait: %s",
    async (behaviour) => {
      const { server, get } = await setUp(behaviour);
      await expect(get()).rejects.toMatchObject({ name: "HoldfastError", code: "BACKEND_UNAVAILABLE" });
      await until(() => expect(server.open).toBe(0));
    },
  );

  test("nobody listening is a failure at once, and one that names a time is quoted", async () => {
    const { get } = await setUp("503 for 20 s");
    await expect(get()).rejects.toMatchObject({ details: { status: 503, retryAfterMs: 20_000 } });
    // Not a port that was given back: it may be somebody else's by now.
    const away = await setUp("honest", { baseUrl: "http://127.0.0.1:2" });
    await expect(away.get()).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  });

  test("an abort ends it at once and quietly, and closes the request", async () => {
    const { server, get } = await setUp("silent");
    const leaving = new AbortController();
    const getting = get(createTestName().name, leaving.signal);
    await until(() => expect(server.open).toBe(1));
    leaving.abort();
    expect(await getting).toEqual([]);
    await until(() => expect(server.open).toBe(0));
  });

  test("no more than requestsMax requests run at once, and one that waits can leave", async () => {
    const { server, get } = await setUp("silent", { requestsMax: 2 });
    const leaving = new AbortController();
    const all = Array.from({ length: 5 }, () => get(createTestName().name, leaving.signal));
    await until(() => expect(server.asked).toHaveLength(2));
    leaving.abort();
    expect(await Promise.all(all)).toEqual([[], [], [], [], []]);
    expect(server.asked).toHaveLength(2);
  });

  test("its label is its host, and never the word that a backend has for a label", () => {
    const parts = { clock: new ManualClock(), verifySignature };
    const labelOf = (baseUrl: string): string => new HttpRouter(parts, { baseUrl }).label;
    expect(labelOf("https://delegated-ipfs.dev/")).toBe("delegated-ipfs.dev");
    expect(labelOf("http://127.0.0.1:8080/some/path/")).toBe("127.0.0.1:8080/some/path");
    expect(labelOf("http://kubo")).toBe("kubo:80");
    expect(labelOf("https://embedded")).toBe("embedded:443");
  });
});

describe("putting a record to a router", () => {
  const put = async (behaviour: RouterBehaviour, held?: "same" | "better" | "older" | "forged") => {
    const { server, router } = await setUp(behaviour);
    const [key, thief] = [createTestName(), createTestName()];
    const record = await makeRecord(key, { sequence: 5n });
    const others = {
      same: record,
      better: await makeRecord(key, { sequence: 6n }),
      older: await makeRecord(key, { sequence: 4n }),
      forged: await makeRecord({ ...key, sign: (message) => thief.sign(message) }, { sequence: 9n }),
    };
    if (held !== undefined) server.records.set(key.name.text, others[held]);
    const result = await router.put(key.name, record, { signal }).catch((err: unknown) => err);
    return { server, result };
  };

  test("is confirmed when the router gives the record back", async () => {
    const { server, result } = await put("honest");
    expect(result).toEqual({ confirmedPeers: 1 });
    expect(server.asked[0]).toMatch(/^PUT /);
    expect(server.headers[0]).toMatchObject({ "content-type": RECORD_TYPE });
  });

  test("a 2xx from one that keeps nothing confirms nothing", async () => {
    for (const held of [undefined, "older", "forged"] as const) {
      expect((await put("takes puts and keeps nothing", held)).result).toEqual({ confirmedPeers: 0 });
    }
  });

  test("one that refuses because it holds the same or a better one has it; one that holds less, or a forgery, has not", async () => {
    expect((await put("refuses puts", "same")).result).toEqual({ confirmedPeers: 1 });
    expect((await put("refuses puts", "better")).result).toEqual({ confirmedPeers: 1 });
    for (const held of [undefined, "older", "forged"] as const)
      expect((await put("refuses puts", held)).result).toEqual({ confirmedPeers: 0 });
  });

  test("P2: one that fails at this record and answers otherwise is not away: the failure is the record's own", async () => {
    expect((await put("fails at puts", "better")).result).toEqual({ confirmedPeers: 1 });
    for (const held of [undefined, "older"] as const)
      expect((await put("fails at puts", held)).result).toEqual({ confirmedPeers: 0 });
    expect((await put("500")).result).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  });

  test("one that takes a minute for a put, as the public DHT does, has it", async () => {
    const { clock, server, router } = await setUp("holds puts");
    const key = createTestName();
    const putting = router.put(key.name, await makeRecord(key), { signal });
    await until(() => expect(server.heldPuts).toHaveLength(1));
    await clock.advance(60_000);
    server.heldPuts[0]?.();
    expect(await putting).toEqual({ confirmedPeers: 1 });
  });

  test("puts that take long do not keep lookups waiting", async () => {
    const { server, router, get } = await setUp("holds puts", { requestsMax: 2 });
    const key = createTestName();
    const record = await makeRecord(key);
    server.records.set(key.name.text, record);
    const stopping = new AbortController();
    const puts = [1, 2, 3].map(() => router.put(key.name, record, { signal: stopping.signal }));
    await until(() => expect(server.heldPuts).toHaveLength(2));
    const found = await get(key.name).catch((err: unknown) => err);
    stopping.abort();
    await Promise.allSettled(puts);
    expect(found).toEqual([record]);
  });

  test("a cache between us is passed by", async () => {
    const { server, result } = await put("answers from a cache unless told otherwise");
    expect(result).toEqual({ confirmedPeers: 1 });
    expect(server.asked.map((line) => line.split(" ")[0])).toEqual(["PUT", "GET", "GET"]);
  });

  test("one that takes no puts says so, and a silent one ends", async () => {
    expect((await put("takes no puts")).result).toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      details: { status: 405 },
    });
    const { clock, server, router } = await setUp("silent", { putMsMax: 500 });
    const key = createTestName();
    const record = await makeRecord(key);
    const failing = router.put(key.name, record, { signal }).catch((err: unknown) => err);
    await until(() => expect(server.open).toBe(1));
    await clock.advance(500);
    expect(await failing).toMatchObject({ code: "UPSTREAM_TIMEOUT" });
  });
});

describe("asking a router about content", () => {
  const cid = CID.parse("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
  const peerId = formatIpnsName(createTestName().name, "base58btc");

  test("providers, with what does not parse left out", async () => {
    const { server, router } = await setUp("honest");
    const Providers = [
      {
        Schema: "peer",
        ID: peerId,
        Addrs: [`/ip4/127.0.0.1/tcp/4001/p2p/${peerId}`, "nonsense", 7],
        Protocols: ["transport-bitswap"],
      },
      { Schema: "peer", ID: "nobody" },
      { Schema: "peer", ID: peerId },
      null,
      "x",
    ];
    server.json.set(`/routing/v1/providers/${cid.toString()}`, JSON.stringify({ Providers, Extra: 1 }));
    const found = [];
    for await (const peer of router.findProviders(cid, { limit: 5, signal })) found.push(peer);
    expect(found).toEqual([
      { id: peerId, addrs: ["/ip4/127.0.0.1/tcp/4001"], protocols: ["transport-bitswap"] },
    ]);
  });

  test("a peer, and none: null, an empty list or a 404", async () => {
    const { server, router } = await setUp("honest");
    const path = `/routing/v1/peers/${peerId}`;
    expect(await router.findPeer(peerId, { signal })).toBeUndefined();
    for (const text of ['{"Peers":null}', '{"Peers":[]}', "{}"]) {
      server.json.set(path, text);
      expect(await router.findPeer(peerId, { signal })).toBeUndefined();
    }
    server.json.set(
      path,
      JSON.stringify({ Peers: [{ Schema: "peer", ID: peerId, Addrs: ["/dns4/x.example/tcp/1"] }] }),
    );
    expect(await router.findPeer(peerId, { signal })).toMatchObject({ addrs: ["/dns4/x.example/tcp/1"] });
  });

  test("an answer that is something else is a failure", async () => {
    const { server, router } = await setUp("honest");
    for (const text of ["[]", "7", "<html>", '{"Peers":{}}', ""]) {
      server.json.set(`/routing/v1/peers/${peerId}`, text);
      await expect(router.findPeer(peerId, { signal })).rejects.toMatchObject({
        code: "BACKEND_UNAVAILABLE",
      });
    }
  });
});
