import { formatIpnsName } from "@holdfast/core";
import { WebSocket } from "ws";
import { describe, expect, it } from "vitest";
import { createTestName, makeRecord, TEST_VALUE, type TestKey } from "./support/records.ts";
import { rawConnection, startHttp, type TestHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const HANDSHAKE = `GET /ws/ipns HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

interface Message {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A client that keeps what it hears. */
class TestClient implements Disposable {
  readonly socket: WebSocket;
  readonly heard: Message[] = [];
  closedWith: number | undefined;

  constructor(node: TestHttp) {
    this.socket = new WebSocket(`${node.url.replace("http", "ws")}/ws/ipns`);
    this.socket.on("message", (data: Buffer) => void this.heard.push(JSON.parse(data.toString()) as Message));
    this.socket.on("close", (code) => (this.closedWith = code));
    this.socket.on("error", () => undefined);
  }

  static async open(node: TestHttp): Promise<TestClient> {
    const client = new TestClient(node);
    await until(() => expect(client.socket.readyState).toBe(WebSocket.OPEN));
    return client;
  }

  say(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Everything of one type heard so far, once there are so many. */
  async hears(type: string, count = 1): Promise<Message[]> {
    const found = (): Message[] => this.heard.filter((message) => message.type === type);
    await until(() => expect(found().length).toBeGreaterThanOrEqual(count));
    return found();
  }

  /** Everything the server has sent until now has been heard after this. */
  async settled(): Promise<void> {
    const pongs = this.heard.filter(({ type }) => type === "pong").length;
    this.say({ action: "ping" });
    await this.hears("pong", pongs + 1);
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

async function put(node: TestHttp, key: TestKey, bytes: Uint8Array): Promise<number> {
  const url = `${node.url}/api/v0/routing/put?arg=${key.name.text}`;
  return (await fetch(url, { method: "POST", body: new Uint8Array(bytes) })).status;
}

describe("WS /ws/ipns", () => {
  it("R10: pushes each change that was stored, once, and nothing that was refused", async () => {
    await using node = await startHttp();
    using client = await TestClient.open(node);
    const [key, other, attacker] = [createTestName(), createTestName(), createTestName()];
    client.say({ action: "subscribe", names: [key.name.text] });
    expect(await client.hears("subscribed")).toEqual([{ type: "subscribed", names: [key.name.text] }]);

    const second = await makeRecord(key, { sequence: 2n });
    expect(await put(node, key, await makeRecord(key, { sequence: 1n }))).toBe(200);
    expect(await put(node, key, second)).toBe(200);
    expect(await put(node, key, second)).toBe(200);
    expect(await put(node, key, await makeRecord(key, { sequence: 1n }))).toBe(400);
    const forged = await makeRecord({ ...key, sign: (message) => attacker.sign(message) }, { sequence: 9n });
    expect(await put(node, key, forged)).toBe(400);
    expect(await put(node, key, Buffer.from("garbage"))).toBe(400);
    expect(await put(node, other, await makeRecord(other))).toBe(200);
    expect(await put(node, key, await makeRecord(key, { sequence: 3n }))).toBe(200);

    await client.hears("update", 3);
    await client.settled();
    const updates = client.heard.filter(({ type }) => type === "update");
    expect(updates.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(updates[1]).toEqual({
      type: "update",
      name: key.name.text,
      sequence: 2,
      cid: TEST_VALUE.slice("/ipfs/".length),
      timestamp: new Date(node.clock.nowMs()).toISOString(),
      sequenceText: "2",
      value: TEST_VALUE,
      record: Buffer.from(second).toString("base64"),
    });
  });

  it("uses the spelling of the client, whichever was put", async () => {
    await using node = await startHttp();
    using client = await TestClient.open(node);
    const key = createTestName();
    const spelling = formatIpnsName(key.name, "base58btc");
    client.say({ action: "subscribe", names: [spelling] });
    await client.hears("subscribed");
    await put(node, key, await makeRecord(key));
    expect(await client.hears("update")).toMatchObject([{ name: spelling }]);
  });

  it("names as subscribed only what it accepted", async () => {
    await using node = await startHttp({ server: { push: { namesPerConnectionMax: 2 } } });
    using client = await TestClient.open(node);
    const names = [createTestName(), createTestName(), createTestName()].map(({ name }) => name.text);
    client.say({ action: "subscribe", names: ["undefined", names[0], 7, names[1], names[2]] });
    expect(await client.hears("subscribed")).toEqual([{ type: "subscribed", names: names.slice(0, 2) }]);
    expect(await client.hears("error")).toMatchObject([{ message: "at most 2 names for each connection" }]);
    client.say({ action: "unsubscribe", names: [names[0]] });
    await client.hears("unsubscribed");
    client.say({ action: "subscribe", names: [names[2]] });
    expect((await client.hears("subscribed", 2))[1]).toEqual({ type: "subscribed", names: [names[2]] });
  });

  it("pushes nothing after unsubscribe, and forgets a client that left", async () => {
    await using node = await startHttp();
    const client = await TestClient.open(node);
    const key = createTestName();
    client.say({ action: "subscribe", names: [key.name.text] });
    await client.hears("subscribed");
    expect(node.metrics.push).toMatchObject({ connections: 1, subscriptions: 1 });
    client.say({ action: "unsubscribe", names: [key.name.text] });
    expect(await client.hears("unsubscribed")).toEqual([{ type: "unsubscribed", names: [key.name.text] }]);
    await put(node, key, await makeRecord(key));
    await client.settled();
    expect(client.heard.filter(({ type }) => type === "update")).toEqual([]);
    client.say({ action: "subscribe", names: [key.name.text] });
    await client.hears("subscribed", 2);
    client[Symbol.dispose]();
    await until(() => expect(node.metrics.push).toMatchObject({ connections: 0, subscriptions: 0 }));
  });

  it("gives what is held on subscribe if asked, marked as a snapshot, and changes after it", async () => {
    await using node = await startHttp();
    const [key, unknown] = [createTestName(), createTestName()];
    await node.records.publish(key.name, await makeRecord(key, { sequence: 5n }), { origin: "client" });
    using client = await TestClient.open(node);
    client.say({ action: "subscribe", names: [key.name.text, unknown.name.text], snapshot: true });
    await client.hears("update");
    await put(node, key, await makeRecord(key, { sequence: 6n }));
    await client.hears("update", 2);
    expect(client.heard.map(({ type }) => type)).toEqual(["subscribed", "update", "update"]);
    expect(client.heard.slice(1)).toMatchObject([{ sequence: 5, snapshot: true }, { sequence: 6 }]);
    expect(client.heard[2]).not.toHaveProperty("snapshot");
  });

  it("tells two clients of the same change, each in its spelling, with the fields of the reference system first", async () => {
    await using node = await startHttp();
    using one = await TestClient.open(node);
    using two = await TestClient.open(node);
    const key = createTestName();
    const spelling = formatIpnsName(key.name, "base32");
    one.say({ action: "subscribe", names: [key.name.text] });
    two.say({ action: "subscribe", names: [spelling, `/ipns/${spelling}`] });
    await Promise.all([one.hears("subscribed"), two.hears("subscribed")]);
    await put(node, key, await makeRecord(key));
    expect((await one.hears("update")).map(({ name }) => name)).toEqual([key.name.text]);
    expect((await two.hears("update", 2)).map(({ name }) => name)).toEqual([spelling, `/ipns/${spelling}`]);
    const compatible = ["type", "name", "sequence", "cid", "timestamp"];
    expect(Object.keys(one.heard[1] ?? {}).slice(0, 5)).toEqual(compatible);
  });

  it("resumes by sequence: gives what is newer than the client has, by number or exact text, and nothing else", async () => {
    await using node = await startHttp();
    const [older, same, newer, exact, notAsked] = [1, 2, 3, 4, 5].map(() => createTestName()) as [
      TestKey,
      TestKey,
      TestKey,
      TestKey,
      TestKey,
    ];
    const keys = [older, same, newer, exact, notAsked];
    const big = 2n ** 60n;
    for (const key of keys) {
      const bytes = await makeRecord(key, { sequence: key === exact ? big + 1n : 5n });
      await node.records.publish(key.name, bytes, { origin: "client" });
    }
    using client = await TestClient.open(node);
    const since = {
      [older.name.text]: 4,
      [same.name.text]: 5,
      [newer.name.text]: "6",
      [exact.name.text]: String(big),
      [createTestName().name.text]: 0,
    };
    client.say({ action: "subscribe", names: keys.map(({ name }) => name.text), since });
    await client.hears("update", 2);
    await client.settled();
    expect(client.heard.filter(({ type }) => type === "update")).toMatchObject([
      { name: older.name.text, sequence: 5, snapshot: true },
      { name: exact.name.text, sequenceText: String(big + 1n), snapshot: true },
    ]);
    await put(node, notAsked, await makeRecord(notAsked, { sequence: 6n }));
    expect((await client.hears("update", 3))[2]).toMatchObject({ name: notAsked.name.text, sequence: 6 });
  });

  it("catches up as fast as the client reads, however much that is, and never goes back", async () => {
    await using node = await startHttp({ server: { push: { bufferedBytesMax: 96 * 1024 } } });
    const keys = Array.from({ length: 300 }, () => createTestName());
    const value = `/ipfs/bafkqaaa/${"x".repeat(9_000)}`;
    for (const key of keys) {
      const bytes = await makeRecord(key, { value, v1Compatible: false });
      await node.records.publish(key.name, bytes, { origin: "client" });
    }
    using client = await TestClient.open(node);
    client.say({ action: "subscribe", names: keys.map(({ name }) => name.text), snapshot: true });
    await client.hears("subscribed");
    const last = keys.at(-1) ?? createTestName();
    await put(node, last, await makeRecord(last, { sequence: 2n }));
    const updates = (): Message[] => client.heard.filter(({ type }) => type === "update");
    await until(() => expect(new Set(updates().map(({ name }) => name)).size).toBe(300));
    await client.settled();
    const ofLast = updates().filter(({ name }) => name === last.name.text);
    expect(ofLast.at(-1)).toMatchObject({ sequence: 2 });
    expect(node.metrics.push.slowClientsDropped).toBe(0);
  });

  it("answers ping, and says what is wrong with anything else", async () => {
    await using node = await startHttp();
    using client = await TestClient.open(node);
    client.say({ action: "ping" });
    expect(await client.hears("pong")).toEqual([{ type: "pong" }]);
    for (const text of ["{", '"x"', '{"action":"explode"}', '{"action":"subscribe"}']) client.say(text);
    client.socket.send(Buffer.from([1, 2, 3]));
    expect((await client.hears("error", 5)).map(({ message }) => message)).toEqual([
      "Invalid JSON",
      "not an object",
      "unknown action",
      "names is not an array",
      "text frames only",
    ]);
  });
});

describe("R42: the limits of /ws/ipns", () => {
  it("goes on when a client breaks off in the middle of a frame", async () => {
    await using node = await startHttp();
    const key = createTestName();
    using healthy = await TestClient.open(node);
    healthy.say({ action: "subscribe", names: [key.name.text] });
    await healthy.hears("subscribed");
    const text = Buffer.from(JSON.stringify({ action: "subscribe", names: [key.name.text] }));
    // Masked with zeros.
    const head = Buffer.from([0x81, 0xfe, text.length >> 8, text.length & 255, 0, 0, 0, 0]);
    const frame = Buffer.concat([head, text]);
    for (let cutAt = 1; cutAt < 14; cutAt += 3) {
      using cut = await rawConnection(node.port);
      cut.write(HANDSHAKE);
      await until(() => expect(cut.received).toMatch(/^HTTP\/1.1 101 /));
      cut.write(frame);
      await until(() => expect(cut.received).toContain("subscribed"));
      cut.write(frame.subarray(0, cutAt));
      await put(node, key, await makeRecord(key, { sequence: BigInt(cutAt) }));
      cut[Symbol.dispose]();
      await until(() => expect(node.metrics.push.connections).toBe(1));
    }
    const updates = await healthy.hears("update", 5);
    expect(updates.map(({ sequence }) => sequence)).toEqual([1, 4, 7, 10, 13]);
  });

  it("drops a client that does not read, and no other, without waiting for it", async () => {
    await using node = await startHttp({ server: { push: { bufferedBytesMax: 64 * 1024 } } });
    using healthy = await TestClient.open(node);
    using slow = await TestClient.open(node);
    const key = createTestName();
    for (const client of [healthy, slow]) {
      client.say({ action: "subscribe", names: [key.name.text] });
      await client.hears("subscribed");
    }
    slow.socket.pause();
    const eolMs = Date.now() + 100_000;
    let sequence = 0n;
    const value = `/ipfs/bafkqaaa/${"x".repeat(4_000)}`;
    // The kernel buffers some megabytes before anything has to wait here.
    for (; sequence < 2_000n && node.metrics.push.slowClientsDropped === 0; sequence++) {
      const bytes = await makeRecord(key, { sequence, value, eolMs, v1Compatible: false });
      await node.records.publish(key.name, bytes, { origin: "client" });
      if (sequence % 5n === 0n) await healthy.hears("update", Number(sequence));
    }
    expect(node.metrics.push.slowClientsDropped).toBe(1);
    await until(() => expect(node.metrics.push.connections).toBe(1));
    const updates = await healthy.hears("update", Number(sequence));
    expect(updates.at(-1)).toMatchObject({ sequence: Number(sequence) - 1 });
  }, 60_000);

  it("gives up a client that is silent for two heartbeats, and keeps one that answers", async () => {
    await using node = await startHttp({ server: { push: { heartbeatMs: 100 } } });
    using alive = await TestClient.open(node);
    using dead = new TestClient(node);
    await until(() => expect(dead.socket.readyState).toBe(WebSocket.OPEN));
    dead.socket.pause();
    await until(() => expect(node.metrics.push.connections).toBe(1));
    await alive.settled();
    expect(alive.closedWith).toBeUndefined();
  });

  it("refuses connections over the limit of a client and of the node, and takes new ones when others leave", async () => {
    await using node = await startHttp({ server: { push: { connectionsPerClientMax: 2 } } });
    const clients = [await TestClient.open(node), await TestClient.open(node)];
    using refused = new TestClient(node);
    const status = await new Promise((resolve) => {
      refused.socket.on("unexpected-response", (_request, response) => resolve(response.statusCode));
    });
    expect(status).toBe(429);
    for (const client of clients) client[Symbol.dispose]();
    await until(() => expect(node.metrics.push.connections).toBe(0));
    using later = await TestClient.open(node);
    await later.settled();
  });

  it("closes a connection that says too much at once, or too often", async () => {
    await using node = await startHttp({ server: { push: { messageBytesMax: 1024 } } });
    using large = await TestClient.open(node);
    large.say("x".repeat(1025));
    using often = await TestClient.open(node);
    for (let i = 0; i < 101; i++) often.say({ action: "ping" });
    await until(() => expect([large.closedWith, often.closedWith]).toEqual([1009, 1008]));
    await until(() => expect(node.metrics.push.connections).toBe(0));
  });

  it("survives frames that are not WebSocket, and connections that end in the middle", async () => {
    await using node = await startHttp();
    using garbage = await rawConnection(node.port);
    garbage.write(`${HANDSHAKE}\xff\xff\xff\xff\xff\xff`);
    await garbage.closed;
    using cut = await rawConnection(node.port);
    cut.write(HANDSHAKE);
    await until(() => expect(cut.received).toMatch(/^HTTP\/1.1 101 /));
    cut[Symbol.dispose]();
    await until(() => expect(node.metrics.push.connections).toBe(0));
    using client = await TestClient.open(node);
    await client.settled();
  });
});

it("says goodbye to its clients when the node stops, and the stop does not wait for those who do not listen", async () => {
  const node = await startHttp();
  using polite = await TestClient.open(node);
  using deaf = await TestClient.open(node);
  deaf.socket.pause();
  // Longer than a test has.
  await node.server.close(60_000);
  await until(() => expect(polite.closedWith).toBe(1001));
});
