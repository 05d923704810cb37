import { formatIpnsName } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import { MemoryRecordStore } from "../src/adapters/memory/record-store.ts";
import { EventClient } from "./support/event-client.ts";
import { createTestName, makeRecord, TEST_VALUE, type TestKey } from "./support/records.ts";
import { rawConnection, startHttp, type TestHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const HOUR_MS = 3_600_000;

function streamUrl(node: TestHttp, keys: readonly TestKey[], query = ""): string {
  return `${node.url}/ipns/events?${keys.map(({ name }) => `name=${name.text}`).join("&")}${query}`;
}

async function put(node: TestHttp, key: TestKey, sequence: bigint): Promise<number> {
  const url = `${node.url}/api/v0/routing/put?arg=${key.name.text}`;
  const body = new Uint8Array(await makeRecord(key, { sequence }));
  return (await fetch(url, { method: "POST", body })).status;
}

/** A client that has been told from where it would go on. */
async function open(url: string, lastEventId?: string): Promise<EventClient> {
  const client = await EventClient.open(
    url,
    lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId },
  );
  await client.hasCaughtUp();
  return client;
}

describe("GET /ipns/events", () => {
  it("R10: sends each change that was stored, once, and nothing that was refused", async () => {
    await using node = await startHttp();
    const [key, other, attacker] = [createTestName(), createTestName(), createTestName()];
    using client = await open(streamUrl(node, [key]));
    const second = await makeRecord(key, { sequence: 2n });
    expect(await put(node, key, 1n)).toBe(200);
    await node.records.publish(key.name, second, { origin: "network" });
    await node.records.publish(key.name, second, { origin: "client" });
    expect(await put(node, key, 1n)).toBe(400);
    const forged = await makeRecord({ ...key, sign: (message) => attacker.sign(message) }, { sequence: 9n });
    await expect(node.records.publish(key.name, forged, { origin: "client" })).rejects.toThrow("signature");
    expect(await put(node, other, 1n)).toBe(200);
    expect(await put(node, key, 3n)).toBe(200);
    await client.hears(3);
    expect(client.sequences()).toEqual([1, 2, 3]);
    const { id, ...update } = client.events[1] ?? { id: "" };
    expect(update).toEqual({
      type: "update",
      name: key.name.text,
      sequence: 2,
      cid: TEST_VALUE.slice("/ipfs/".length),
      timestamp: new Date(node.clock.nowMs()).toISOString(),
      sequenceText: "2",
      value: TEST_VALUE,
      record: Buffer.from(second).toString("base64"),
    });
    expect(id).toMatch(/^\d+-[0-9a-f]{8}-2$/);
  });

  it("R10: tells of a record whose value is no content path: live, when resuming and as a snapshot", async () => {
    await using node = await startHttp();
    const key = createTestName();
    using live = await open(streamUrl(node, [key]));
    const { lastEventId } = live;
    const bytes = await makeRecord(key, { value: Buffer.from("nonsense") });
    await node.records.publish(key.name, bytes, { origin: "client" });
    await live.hears(1);
    using resumed = await open(streamUrl(node, [key]), lastEventId);
    using told = await open(streamUrl(node, [key], "&snapshot=true"));
    for (const client of [live, resumed, told]) {
      expect(client.events).toMatchObject([
        { sequence: 1, cid: "", value: null, record: Buffer.from(bytes).toString("base64") },
      ]);
    }
  });

  it("tells two clients of the same change, each in its spelling", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const spelling = formatIpnsName(key.name, "base58btc");
    using one = await open(streamUrl(node, [key]));
    using two = await open(`${node.url}/ipns/events?name=${spelling}&name=/ipns/${spelling}`);
    await put(node, key, 1n);
    expect(await one.hears(1)).toMatchObject([{ name: key.name.text }]);
    expect((await two.hears(2)).map(({ name }) => name)).toEqual([spelling, `/ipns/${spelling}`]);
  });

  it("gives what is held if asked, marked as a snapshot, and changes after it", async () => {
    await using node = await startHttp();
    const [key, unknown] = [createTestName(), createTestName()];
    await put(node, key, 5n);
    using client = await open(streamUrl(node, [key, unknown], "&snapshot=true"));
    await put(node, key, 6n);
    await client.hears(2);
    expect(client.events).toMatchObject([{ sequence: 5, snapshot: true }, { sequence: 6 }]);
    expect(client.events[0]).not.toHaveProperty("id");
    using plain = await open(streamUrl(node, [key]));
    await put(node, key, 7n);
    expect((await plain.hears(1)).map(({ sequence }) => sequence)).toEqual([7]);
  });

  it("answers what is no stream request in milliseconds, with the reason", async () => {
    await using node = await startHttp({ server: { push: { namesPerStreamMax: 2 } } });
    const names = Array.from({ length: 3 }, () => `name=${createTestName().name.text}`).join("&");
    for (const query of [
      "",
      "?name=",
      "?name=nonsense",
      `?${names}`,
      `?${names.slice(0, 68)}&snapshot=perhaps`,
    ]) {
      const answer = await fetch(`${node.url}/ipns/events${query}`);
      expect(answer.status).toBe(400);
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
    }
    expect(node.metrics.push).toMatchObject({ streams: 0, subscriptions: 0 });
  });

  it("answers HEAD without a stream, OPTIONS as everywhere, and other methods with 405", async () => {
    await using node = await startHttp();
    const url = streamUrl(node, [createTestName()]);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect((await fetch(`${node.url}/ipns/events?name=x`, { method: "HEAD" })).status).toBe(400);
    const preflight = await fetch(url, { method: "OPTIONS" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("Last-Event-ID");
    expect((await fetch(url, { method: "POST" })).status).toBe(405);
    expect(node.metrics.push.streams).toBe(0);
  });

  it("has the headers that browsers and proxies need", async () => {
    await using node = await startHttp();
    using client = await open(streamUrl(node, [createTestName()]));
    expect(client.response.headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "access-control-allow-origin": "*",
      "x-accel-buffering": "no",
    });
    expect(client.response.headers["access-control-expose-headers"]).toBeDefined();
    expect(client.retryMs).toBe(2_000);
  });

  it("is our own path on every host but the origins of content", async () => {
    const gatewayHosts = [{ host: "localhost", mode: "subdomain", inlinesDomains: false }] as const;
    const dnslinks = { resolve: async () => undefined, isKnownAbsent: () => false };
    await using node = await startHttp({ dnslinks, server: { gatewayHosts } });
    const key = createTestName();
    for (const host of ["localhost", "api.example.com", "127.0.0.1"]) {
      using client = await EventClient.open(streamUrl(node, [key]), { Host: host });
      expect([host, client.response.statusCode]).toEqual([host, 200]);
    }
    using client = await EventClient.open(streamUrl(node, [key]), {
      Host: `${key.name.text}.ipns.localhost`,
    });
    expect(client.response.headers["content-type"]).not.toBe("text/event-stream");
  });
});

describe("Last-Event-ID", () => {
  it("goes on where the stream was cut, with each change that was missed in order, by header and by query", async () => {
    await using node = await startHttp();
    const [key, other, unwanted] = [createTestName(), createTestName(), createTestName()];
    const url = streamUrl(node, [key, other]);
    let lastEventId: string;
    {
      using client = await open(url);
      await put(node, key, 1n);
      await client.hears(1);
      ({ lastEventId } = client);
    }
    await put(node, key, 2n);
    await put(node, unwanted, 1n);
    await put(node, other, 7n);
    await put(node, key, 3n);
    using again = await open(url, lastEventId);
    expect(again.events).toMatchObject([
      { name: key.name.text, sequence: 2 },
      { name: other.name.text, sequence: 7 },
      { name: key.name.text, sequence: 3 },
    ]);
    using byQuery = await open(`${url}&lastEventId=${again.events[1]?.id ?? ""}&snapshot=true`);
    expect(byQuery.sequences()).toEqual([3]);
    using nothingNew = await open(url, again.lastEventId);
    expect(nothingNew.events).toEqual([]);
  });

  it("also counts for a client that has heard of nothing yet", async () => {
    await using node = await startHttp();
    const key = createTestName();
    let lastEventId: string;
    {
      using client = await open(streamUrl(node, [key]));
      ({ lastEventId } = client);
    }
    await put(node, key, 1n);
    using again = await open(streamUrl(node, [key]), lastEventId);
    expect(again.sequences()).toEqual([1]);
  });

  it("survives a restart: what changed since is sent as it is now, what is older is not", async () => {
    const [changed, unchanged, changedWhileDown] = [createTestName(), createTestName(), createTestName()];
    const keys = [changed, unchanged, changedWhileDown];
    let lastEventId: string;
    const before = await startHttp();
    const { store, clock } = before;
    try {
      await put(before, unchanged, 1n);
      await put(before, changed, 1n);
      await clock.advance(HOUR_MS);
      using client = await open(streamUrl(before, keys));
      await put(before, changed, 2n);
      await client.hears(1);
      ({ lastEventId } = client);
      await clock.advance(HOUR_MS);
      client[Symbol.dispose]();
      await put(before, changed, 3n);
      await put(before, changed, 4n);
      await put(before, changedWhileDown, 9n);
    } finally {
      await before[Symbol.asyncDispose]();
    }
    await using after = await startHttp({ recordsParts: { store } });
    await after.clock.advance(2 * HOUR_MS);
    using again = await open(streamUrl(after, keys), lastEventId);
    expect(again.events).toMatchObject([
      { name: changed.name.text, sequence: 4, snapshot: true },
      { name: changedWhileDown.name.text, sequence: 9, snapshot: true },
    ]);
    await put(after, unchanged, 2n);
    expect((await again.hears(3))[2]).toMatchObject({ name: unchanged.name.text, sequence: 2 });
  });

  it("promises nothing before everything was sent: a stream cut while it catches up misses nothing", async () => {
    await using node = await startHttp();
    const keys = Array.from({ length: 60 }, () => createTestName());
    const value = `/ipfs/bafkqaaa/${"x".repeat(9_000)}`;
    for (const key of keys) {
      const bytes = await makeRecord(key, { value, v1Compatible: false });
      await node.records.publish(key.name, bytes, { origin: "client" });
    }
    using client = await EventClient.open(streamUrl(node, keys), { "Last-Event-ID": "unknown" });
    const pauseAtFirst = (): void => {
      if (client.events.length > 0) client.response.off("data", pauseAtFirst).pause();
    };
    client.response.on("data", pauseAtFirst);
    await client.hears(1);
    expect(client.lastEventId).toBe("");
    const [first] = keys;
    if (first !== undefined) await put(node, first, 2n);
    client.response.resume();
    await client.hasCaughtUp();
    expect(new Set(client.events.map(({ name }) => name)).size).toBe(60);
    const ofFirst = client.events
      .filter(({ name }) => name === first?.name.text)
      .map(({ sequence }) => sequence);
    expect(ofFirst.at(-1)).toBe(2);
    expect(ofFirst).toEqual([...ofFirst].sort((a, b) => a - b));
    expect(node.metrics.push.slowClientsDropped).toBe(0);
  });

  it("sends what is held now when more was missed than can be sent at once", async () => {
    await using node = await startHttp();
    const key = createTestName();
    let lastEventId: string;
    {
      using client = await open(streamUrl(node, [key]));
      ({ lastEventId } = client);
    }
    const value = `/ipfs/bafkqaaa/${"x".repeat(9_000)}`;
    for (let sequence = 1n; sequence <= 20n; sequence++) {
      const bytes = await makeRecord(key, { sequence, value, v1Compatible: false });
      await node.records.publish(key.name, bytes, { origin: "client" });
    }
    using again = await open(streamUrl(node, [key]), lastEventId);
    expect(again.events).toMatchObject([{ sequence: 20, snapshot: true }]);
  });

  it("breaks the stream when the store cannot be read, so that the client comes again", async () => {
    let isBroken = false;
    const store = new MemoryRecordStore();
    const get = store.get.bind(store);
    store.get = (name) => {
      if (isBroken) throw new Error("disk");
      return get(name);
    };
    await using node = await startHttp({ recordsParts: { store } });
    isBroken = true;
    const url = streamUrl(node, [createTestName()]);
    // Before its first byte, or after it when the machine is busy.
    const opened = await EventClient.open(url, { "Last-Event-ID": "unknown" }).catch(
      (err: Error) => err.message,
    );
    const isCut = (): boolean =>
      typeof opened === "string" ? opened.includes("hang up") : opened.end === "broken";
    await until(() => expect(isCut()).toBe(true));
  });
});

describe("R42: the limits of /ipns/events", () => {
  it("sends heartbeats", async () => {
    await using node = await startHttp({ server: { push: { heartbeatMs: 50 } } });
    using client = await open(streamUrl(node, [createTestName()]));
    await until(() => expect(client.comments).toBeGreaterThan(2));
  });

  it("drops a client that does not read, while the others hear everything, and nobody waits for it", async () => {
    await using node = await startHttp({ server: { push: { bufferedBytesMax: 64 * 1024 } } });
    const key = createTestName();
    using healthy = await open(streamUrl(node, [key]));
    using slow = await open(streamUrl(node, [key]));
    slow.response.pause();
    const value = `/ipfs/bafkqaaa/${"x".repeat(4_000)}`;
    let sequence = 0n;
    // The kernel buffers some megabytes before anything has to wait here.
    for (; sequence < 2_000n && node.metrics.push.slowClientsDropped === 0; sequence++) {
      const bytes = await makeRecord(key, { sequence, value, v1Compatible: false });
      await node.records.publish(key.name, bytes, { origin: "client" });
      if (sequence % 5n === 0n) await healthy.hears(Number(sequence));
    }
    expect(node.metrics.push).toMatchObject({ slowClientsDropped: 1, updatesLeftOut: 0 });
    await until(() => expect(node.metrics.push.streams).toBe(1));
    await healthy.hears(Number(sequence));
    expect(healthy.sequences()).toEqual(Array.from({ length: Number(sequence) }, (_, i) => i));
  }, 60_000);

  it("refuses streams over the limits of a client and of the node, which sockets share, and takes new ones when others leave", async () => {
    await using node = await startHttp({ server: { push: { connectionsPerClientMax: 2 } } });
    const url = streamUrl(node, [createTestName()]);
    const clients = [await open(url), await open(url)];
    const refused = await fetch(url);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("5");
    expect(node.metrics.push.refused).toBe(1);
    for (const client of clients) client[Symbol.dispose]();
    await until(() => expect(node.metrics.push).toMatchObject({ streams: 0, subscriptions: 0 }));
    using later = await open(url);
    expect(later.events).toEqual([]);
    await using full = await startHttp({ server: { push: { connectionsMax: 0 } } });
    expect((await fetch(streamUrl(full, [createTestName()]))).status).toBe(503);
  });

  it("does not let streams use up the requests that may be worked on at once", async () => {
    await using node = await startHttp({ server: { listener: { requestsMax: 2 } } });
    const url = streamUrl(node, [createTestName()]);
    using _one = await open(url);
    using _two = await open(url);
    using _three = await open(url);
    expect((await fetch(`${node.url}/health`)).status).toBe(200);
  });

  it("forgets clients that leave in the middle of an event", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const value = `/ipfs/bafkqaaa/${"x".repeat(9_000)}`;
    for (let i = 0; i < 5; i++) {
      using client = await open(streamUrl(node, [key]));
      client.response.once("data", () => client.response.destroy());
      const bytes = await makeRecord(key, { sequence: BigInt(i), value, v1Compatible: false });
      await node.records.publish(key.name, bytes, { origin: "client" });
      await until(() => expect(client.end).toBe("broken"));
    }
    await until(() => expect(node.metrics.push).toMatchObject({ streams: 0, subscriptions: 0 }));
    expect(node.metrics.http.errors).toBe(0);
  });
});

it("ends streams cleanly when the node stops, on a connection kept alive, without waiting for those who do not read", async () => {
  const node = await startHttp();
  const key = createTestName();
  using client = await open(streamUrl(node, [key]));
  using deaf = await open(streamUrl(node, [key]));
  deaf.response.pause();
  using kept = await rawConnection(node.port);
  kept.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => expect(kept.received).toContain("healthy"));
  kept.write(`GET /ipns/events?name=${key.name.text} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => expect(kept.received).toMatch(/id: /));
  // Longer than a test has.
  await node.server.close(60_000);
  await until(() => expect(client.end).toBe("clean"));
  expect(await kept.closed).toMatch(/\r\n0\r\n\r\n$/);
});
