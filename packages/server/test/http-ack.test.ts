import { describe, expect, onTestFinished, test } from "vitest";
import { FakeDht } from "./support/fake-dht.ts";
import { KeepAliveWorld, seededRandom } from "./support/keep-alive-world.ts";
import { createTestName, makeRecord, type TestKey } from "./support/records.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const SECOND_MS = 1_000;

interface Node {
  readonly world: KeepAliveWorld;
  readonly dht: FakeDht;
  readonly http: TestHttp;
}

/** The public listener over a real store, with a network whose time the test moves. */
async function startNode(options: { readonly isOffline?: boolean } = {}): Promise<Node> {
  const world = new KeepAliveWorld();
  const dht = new FakeDht({ clock: world.clock, random: seededRandom(1) }, { label: "kubo" });
  await world.begin(options.isOffline === true ? [] : [dht]);
  const { clock } = world;
  const http = await startHttp({
    recordsParts: { store: world.store, clock, timers: clock },
    arrivals: world.keepAlive,
  });
  http.records.onStored(() => {
    world.keepAlive.noteStored();
  });
  onTestFinished(async () => {
    await http[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });
  return { world, dht, http };
}

async function put(
  { http }: Node,
  key: TestKey,
  init: { readonly query?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Response> {
  const body = Buffer.from(await makeRecord(key));
  const url = `${http.url}/api/v0/routing/put?arg=/ipns/${key.name.text}${init.query ?? ""}`;
  return fetch(url, {
    method: "POST",
    body,
    headers: { "Content-Type": "application/octet-stream", ...init.headers },
  });
}

describe("ack=routed", () => {
  test.each([{ query: "&ack=routed" }, { headers: { "X-Holdfast-Ack": "routed" } }])(
    "the answer comes when a network has confirmed the record, and says which: %o",
    async (init) => {
      const node = await startNode();
      node.dht.latencyMs = 8 * SECOND_MS;
      const key = createTestName();
      let isAnswered = false;
      const answer = put(node, key, init).finally(() => (isAnswered = true));
      await until(() => expect(node.dht.putCount).toBe(1));
      await node.world.clock.advance(3 * SECOND_MS);
      expect(isAnswered).toBe(false);
      await node.world.clock.advance(10 * SECOND_MS);
      const response = await answer;
      expect(response.status).toBe(200);
      expect(response.headers.get("x-holdfast-ack")).toBe("routed");
      expect(response.headers.get("x-holdfast-reached")).toBe("kubo");
      expect(await response.json()).toMatchObject({
        Extra: "",
        Type: 5,
        Ack: { level: "routed", reached: ["kubo"], missing: [] },
      });
    },
  );

  test("a network that does not confirm it within 30 s makes it no error: the record is stored, and the answer says so", async () => {
    const node = await startNode();
    node.dht.isAway = true;
    const answer = put(node, createTestName(), { query: "&ack=routed" });
    await until(() => expect(node.world.metrics.propagation.unavailable).toBeGreaterThan(0));
    await node.world.clock.advance(31 * SECOND_MS);
    const response = await answer;
    expect(response.status).toBe(200);
    expect(response.headers.get("x-holdfast-ack")).toBe("stored");
    expect(response.headers.get("x-holdfast-reached")).toBeNull();
    expect(await response.json()).toMatchObject({ Ack: { level: "stored", reached: [], missing: ["kubo"] } });
  });

  test("a stop does not wait for a network: who waits is told at once that the record is stored", async () => {
    const node = await startNode();
    node.dht.isAway = true;
    const answer = put(node, createTestName(), { query: "&ack=routed" });
    await until(() => expect(node.world.metrics.propagation.unavailable).toBeGreaterThan(0));
    await node.http.server.close(20 * SECOND_MS);
    const response = await answer;
    expect([response.status, response.headers.get("x-holdfast-ack")]).toEqual([200, "stored"]);
    const late = { waitMs: 30 * SECOND_MS, signal: new AbortController().signal };
    expect(await node.world.keepAlive.arrival(createTestName().name, late)).toMatchObject({ reached: [] });
  });

  test("without a network the answer comes at once, and says that nothing was reached", async () => {
    const node = await startNode({ isOffline: true });
    const response = await put(node, createTestName(), { query: "&ack=routed" });
    expect(await response.json()).toMatchObject({ Ack: { level: "stored", reached: [], missing: [] } });
  });

  test("the same bytes again: the answer comes at once, because they are there", async () => {
    const node = await startNode();
    const key = createTestName();
    const body = Buffer.from(await makeRecord(key));
    const url = `${node.http.url}/routing/v1/ipns/${key.name.text}`;
    const init = { method: "PUT", body, headers: { "Content-Type": "application/vnd.ipfs.ipns-record" } };
    expect((await fetch(url, init)).headers.get("x-holdfast-ack")).toBeNull();
    await until(async () => {
      await node.world.clock.advance(SECOND_MS);
      expect(node.dht.putCount).toBe(1);
    });
    const again = await fetch(`${url}?ack=routed`, init);
    expect([again.status, again.headers.get("x-holdfast-reached")]).toEqual([200, "kubo"]);
    expect(node.dht.putCount).toBe(1);
  });

  test("gotcha 13: after the 200 with the network down the record is read at once, and waits to be put", async () => {
    const node = await startNode();
    node.dht.isAway = true;
    const key = createTestName();
    expect((await put(node, key)).status).toBe(200);
    const read = await fetch(`${node.http.url}/api/v0/routing/get?arg=/ipns/${key.name.text}`);
    expect(read.headers.get("x-ipns-sequence")).toBe("1");
    await node.world.clock.advance(10 * SECOND_MS);
    expect(node.world.keepAlive.status().targets).toMatchObject([{ target: "kubo", newNames: 1 }]);
    node.dht.isAway = false;
    await node.world.clock.advance(20 * SECOND_MS);
    expect(node.dht.putCount).toBe(1);
    expect(node.world.keepAlive.status().targets).toMatchObject([{ newNames: 0 }]);
  });
});
