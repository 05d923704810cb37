import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { IpnsName } from "@holdfast/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { createWebhookSender } from "../src/adapters/webhooks/webhook-sender.ts";
import { Webhooks } from "../src/records/webhooks/webhooks.ts";
import type { PostWebhook, WebhookStatus } from "../src/records/webhooks/webhook.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { createRecords, type TestRecords } from "./support/create-records.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import { createTestName, makeRecord, makeValidatedRecord, type TestKey } from "./support/records.ts";
import { startWebhookEndpoint } from "./support/webhook-endpoint.ts";
import { until } from "./support/until.ts";

const SECRET = "a secret of tests";
const OPTIONS = {
  deliveriesMax: 4,
  firstPauseMs: 1_000,
  pauseMsMax: 60_000,
  firstRestMs: 60_000,
  restMsMax: 240_000,
};

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(MEMORY_FOLDER, "holdfast-webhooks-"));
});
afterEach(async () => rm(dataDir, { recursive: true, force: true }));

interface TestWebhooks extends TestRecords, AsyncDisposable {
  readonly webhooks: Webhooks;
  publish(key: TestKey, sequence: bigint, eolMs?: number): Promise<void>;
}

/** The real parts: SQLite with its thread, HTTP, and a clock that the test moves between the attempts. */
async function start(
  urls: readonly string[],
  { names, post }: { names?: readonly IpnsName[]; post?: PostWebhook } = {},
): Promise<TestWebhooks> {
  const store = await SqliteRecordStore.open({ logger: createLogger("silent") }, { dataDir });
  await store.webhooks.watch(urls, names);
  const room = createRecords([], { parts: { store } });
  const webhooks = new Webhooks(
    {
      ...room,
      queue: store.webhooks,
      post: post ?? createWebhookSender(room.clock, { secret: SECRET, userAgent: "holdfast/test" }),
      timers: room.clock,
      random: () => 1,
      logger: createLogger("silent"),
    },
    { ...OPTIONS, urls },
  );
  return {
    ...room,
    webhooks,
    publish: async (key, sequence, eolMs) => {
      const bytes = await makeRecord(key, { sequence, ...(eolMs === undefined ? {} : { eolMs }) });
      await room.records.publish(key.name, bytes, { origin: "client" });
    },
    async [Symbol.asyncDispose]() {
      await webhooks.close();
      await room.records.close();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** Everything that can be delivered now has been, and confirmed. The queue is empty a moment before the endpoint knows that it is. */
async function settled({ webhooks }: TestWebhooks): Promise<void> {
  const isSettled = ({ waiting, state }: WebhookStatus): boolean => waiting === 0 && state === "idle";
  await until(() => expect(webhooks.status().every(isSettled)).toBe(true));
}

describe("webhooks", { timeout: 60_000 }, () => {
  it("R10: tell of each change that was stored, and of nothing that was refused", async () => {
    await using endpoint = await startWebhookEndpoint();
    await using node = await start([endpoint.url]);
    const [key, attacker] = [createTestName(), createTestName()];
    const bytes = await makeRecord(key, { sequence: 2n });
    await node.publish(key, 1n);
    await settled(node);
    await node.records.publish(key.name, bytes, { origin: "network" });
    await settled(node);
    await node.records.publish(key.name, bytes, { origin: "client" });
    await node.publish(key, 1n);
    const forged = await makeRecord({ ...key, sign: (message) => attacker.sign(message) }, { sequence: 9n });
    await expect(node.records.publish(key.name, forged, { origin: "client" })).rejects.toThrow("signature");
    await node.publish(attacker, 1n);
    await settled(node);
    expect(endpoint.heard.map(({ update }) => [update.name, update.sequence])).toEqual([
      [key.name.text, 1],
      [key.name.text, 2],
      [attacker.name.text, 1],
    ]);
    expect(endpoint.heard[1]?.update).toMatchObject({
      type: "update",
      sequenceText: "2",
      record: Buffer.from(bytes).toString("base64"),
      change: 2,
    });
    expect(node.metrics.webhooks).toEqual({ delivered: 3, failed: 0, outdated: 0 });
    expect(node.webhooks.status()).toMatchObject([{ state: "idle", delivered: 3, lastError: null }]);
  });

  it("try again with longer and longer pauses until they are confirmed, and then go on at once", async () => {
    let status = 500;
    await using endpoint = await startWebhookEndpoint(() => status);
    await using node = await start([endpoint.url]);
    const key = createTestName();
    await node.publish(key, 1n);
    for (const [attempts, pauseMs] of [
      [1, 1_000],
      [2, 2_000],
      [3, 4_000],
    ] as const) {
      await until(() => expect(node.webhooks.status()[0]?.state).toBe("pausing"));
      expect(endpoint.heard).toHaveLength(attempts);
      await node.clock.advance(pauseMs - 1);
      expect(endpoint.heard).toHaveLength(attempts);
      if (attempts === 3) status = 200;
      await node.clock.advance(1);
    }
    await settled(node);
    expect(endpoint.sequencesOf(key.name.text)).toEqual([1, 1, 1, 1]);
    await node.publish(key, 2n);
    await settled(node);
    expect(node.webhooks.status()).toMatchObject([{ failuresInARow: 0, failed: 3, lastError: "HTTP 500" }]);
  });

  it("tell only of the latest change of a name that an endpoint missed, the names in the order of their changes", async () => {
    let isAway = true;
    await using endpoint = await startWebhookEndpoint(() => (isAway ? 503 : 200));
    await using node = await start([endpoint.url]);
    const [a, b, c] = [createTestName(), createTestName(), createTestName()];
    await node.publish(a, 1n);
    await until(() => expect(node.webhooks.status()[0]?.state).toBe("pausing"));
    for (const [key, sequence] of [
      [a, 2n],
      [b, 1n],
      [c, 5n],
      [b, 2n],
    ] as const)
      await node.publish(key, sequence);
    expect(node.webhooks.status()).toMatchObject([{ waiting: 3 }]);
    isAway = false;
    endpoint.heard.length = 0;
    await node.clock.advance(1_000);
    await settled(node);
    const order = endpoint.heard.map(({ update }) => update).sort((x, y) => x.change - y.change);
    expect(order.map(({ name, sequence }) => [name, sequence])).toEqual([
      [a.name.text, 2],
      [c.name.text, 5],
      [b.name.text, 2],
    ]);
  });

  it("never have two deliveries of one name under way at an endpoint, and not more in all than allowed", async () => {
    const underWay = new Set<string>();
    const clashes: string[] = [];
    await using endpoint = await startWebhookEndpoint(async ({ update: { name } }) => {
      if (underWay.has(name)) clashes.push(name);
      underWay.add(name);
      await new Promise((resolve) => setImmediate(resolve));
      underWay.delete(name);
      return 200;
    });
    await using node = await start([endpoint.url]);
    const keys = Array.from({ length: 12 }, () => createTestName());
    for (let sequence = 1n; sequence <= 8n; sequence++)
      await Promise.all(keys.map(async (key) => node.publish(key, sequence)));
    await settled(node);
    expect(clashes).toEqual([]);
    expect(endpoint.concurrentMax).toBeLessThanOrEqual(OPTIONS.deliveriesMax);
    for (const { name } of keys) {
      const sequences = endpoint.sequencesOf(name.text);
      expect(sequences.at(-1)).toBe(8);
      expect(sequences).toEqual([...sequences].sort((x, y) => x - y));
    }
  });

  it("do not harm each other: one hangs, one refuses, one is closed, the last hears everything", async () => {
    await using hanging = await startWebhookEndpoint(() => new Promise<number>(() => undefined));
    await using refusing = await startWebhookEndpoint(() => 410);
    await using good = await startWebhookEndpoint();
    await using node = await start([hanging.url, refusing.url, "http://127.0.0.1:1/hook", good.url]);
    const keys = Array.from({ length: 20 }, () => createTestName());
    for (const key of keys) await node.publish(key, 1n);
    const states = ["delivering", "pausing", "pausing", "idle"];
    await until(() => {
      expect(good.heard).toHaveLength(20);
      expect(node.webhooks.status().map(({ state }) => state)).toEqual(states);
    });
    expect(node.webhooks.status()[2]?.lastError).toMatch(/ECONNREFUSED|bad port/);
  });

  it("let what an endpoint refuses rest, longer each time, while the rest goes on", async () => {
    const poison = createTestName();
    await using endpoint = await startWebhookEndpoint(({ update }) =>
      update.name === poison.name.text ? 422 : 200,
    );
    await using node = await start([endpoint.url]);
    await node.publish(poison, 1n);
    await until(() => expect(node.webhooks.status()[0]?.state).toBe("pausing"));
    await node.clock.advance(1_000);
    const key = createTestName();
    for (let sequence = 1n; sequence <= 5n; sequence++) {
      await node.publish(key, sequence);
      await until(() => expect(endpoint.sequencesOf(key.name.text).at(-1)).toBe(Number(sequence)));
    }
    expect(endpoint.sequencesOf(poison.name.text)).toEqual([1]);
    let refusedAtMs = node.clock.nowMs() - 1_000;
    for (const [attempts, restMs] of [
      [2, 60_000],
      [3, 120_000],
      [4, 240_000],
      [5, 240_000],
    ] as const) {
      await until(() => expect(node.webhooks.status()[0]?.state).toBe("idle"));
      const nextAttemptAt = new Date(refusedAtMs + restMs).toISOString();
      expect(node.webhooks.status()).toMatchObject([{ nextAttemptAt, failed: attempts - 1 }]);
      refusedAtMs += restMs;
      await node.clock.advance(refusedAtMs - node.clock.nowMs());
      await until(() => expect(node.webhooks.status()[0]?.state).toBe("pausing"));
      expect(endpoint.sequencesOf(poison.name.text)).toHaveLength(attempts);
      const pauseEndsAt = node.webhooks.status()[0]?.nextAttemptAt ?? "";
      await node.clock.advance(Date.parse(pauseEndsAt) - node.clock.nowMs());
    }
    await node.publish(poison, 2n);
    await until(() => expect(endpoint.sequencesOf(poison.name.text).at(-1)).toBe(2));
  });

  it("R10: tell of a record whose value is no content path, which must not hold up the others", async () => {
    await using endpoint = await startWebhookEndpoint();
    await using node = await start([endpoint.url]);
    const [odd, other] = [createTestName(), createTestName()];
    const bytes = await makeRecord(odd, { value: Buffer.from("nonsense") });
    await node.records.publish(odd.name, bytes, { origin: "client" });
    await node.publish(other, 1n);
    await settled(node);
    expect(endpoint.heard.map(({ update: { name, cid, value } }) => ({ name, cid, value }))).toEqual([
      { name: odd.name.text, cid: "", value: null },
      expect.objectContaining({ name: other.name.text }),
    ]);
    expect(node.metrics.webhooks.failed).toBe(0);
  });

  it("R13: forget records that expired before they could be told", async () => {
    let isAway = true;
    await using endpoint = await startWebhookEndpoint(() => (isAway ? 500 : 200));
    await using node = await start([endpoint.url]);
    await node.publish(createTestName(), 1n, node.clock.nowMs() + 500);
    await until(() => expect(node.webhooks.status()[0]?.state).toBe("pausing"));
    isAway = false;
    await node.clock.advance(1_000);
    await settled(node);
    expect(endpoint.heard).toHaveLength(1);
    expect(node.metrics.webhooks.outdated).toBe(1);
  });

  it("tell only of the names they are to tell of", async () => {
    await using endpoint = await startWebhookEndpoint();
    const [wanted, other] = [createTestName(), createTestName()];
    await using node = await start([endpoint.url], { names: [wanted.name] });
    await node.publish(other, 1n);
    await node.publish(wanted, 1n);
    await node.publish(other, 2n);
    await node.publish(wanted, 2n);
    await settled(node);
    expect(new Set(endpoint.heard.map(({ update }) => update.name))).toEqual(new Set([wanted.name.text]));
    expect(endpoint.sequencesOf(wanted.name.text).at(-1)).toBe(2);
  });
});

describe("the queue of webhooks", { timeout: 60_000 }, () => {
  it("survives a restart: what was not confirmed is delivered then, what was confirmed is not", async () => {
    let isAway = false;
    await using endpoint = await startWebhookEndpoint(() => (isAway ? 500 : 200));
    const [told, missed] = [createTestName(), createTestName()];
    {
      await using node = await start([endpoint.url]);
      await node.publish(told, 1n);
      await settled(node);
      isAway = true;
      await node.publish(missed, 1n);
      await node.publish(missed, 2n);
      await until(() => expect(node.webhooks.status()[0]?.state).toBe("pausing"));
    }
    isAway = false;
    endpoint.heard.length = 0;
    await using node = await start([endpoint.url]);
    await settled(node);
    expect(endpoint.heard.map(({ update }) => [update.name, update.sequence])).toEqual([
      [missed.name.text, 2],
    ]);
  });

  it("does not lose a change that is stored while the one before it is being delivered", async () => {
    const gate = Promise.withResolvers<number>();
    await using endpoint = await startWebhookEndpoint(({ update }) =>
      update.sequence === 1 ? gate.promise : 200,
    );
    await using node = await start([endpoint.url]);
    const key = createTestName();
    await node.publish(key, 1n);
    await until(() => expect(endpoint.heard).toHaveLength(1));
    await node.publish(key, 2n);
    gate.resolve(200);
    await settled(node);
    expect(endpoint.sequencesOf(key.name.text)).toEqual([1, 2]);
  });

  it("never takes a record from memory for the one that was queued, which may be committed and not known there yet", async () => {
    await using endpoint = await startWebhookEndpoint();
    await using node = await start([endpoint.url]);
    const key = createTestName();
    await node.publish(key, 1n);
    await settled(node);
    const facts = { origin: "client", receivedAtMs: node.clock.nowMs() } as const;
    await node.store.put(await makeValidatedRecord(key, { sequence: 2n }), facts);
    await node.publish(createTestName(), 1n);
    await settled(node);
    expect(node.records.held(key.name)?.record.sequence).toBe(1n);
    expect(endpoint.sequencesOf(key.name.text)).toEqual([1, 2]);
  });

  it("is given up with its endpoint, and begins empty for a new one", async () => {
    await using old = await startWebhookEndpoint(() => 500);
    await using fresh = await startWebhookEndpoint();
    {
      await using node = await start([old.url]);
      await node.publish(createTestName(), 1n);
      await until(() => expect(node.webhooks.status()[0]?.state).toBe("pausing"));
    }
    {
      await using node = await start([fresh.url]);
      const key = createTestName();
      await node.publish(key, 1n);
      await settled(node);
      expect(fresh.heard.map(({ update }) => update.name)).toEqual([key.name.text]);
    }
    await using node = await start([old.url]);
    await settled(node);
    expect(old.heard).toHaveLength(1);
  });

  it("writes nothing while no webhook is configured", async () => {
    await using endpoint = await startWebhookEndpoint(() => 500);
    {
      await using node = await start([endpoint.url]);
      await node.publish(createTestName(), 1n);
    }
    {
      await using node = await start([]);
      await node.publish(createTestName(), 1n);
      expect(node.webhooks.status()).toEqual([]);
    }
    using db = new DatabaseSync(join(dataDir, "holdfast.db"), { readOnly: true });
    for (const table of ["webhook_endpoints", "webhook_deliveries"])
      expect(db.prepare(`SELECT count(*) AS rows FROM ${table}`).get()).toEqual({ rows: 0 });
  });

  it("goes on after the store refused to note what was delivered", async () => {
    await using endpoint = await startWebhookEndpoint();
    await using node = await start([endpoint.url]);
    const { webhooks: queue } = node.store as SqliteRecordStore;
    const remove = queue.remove.bind(queue);
    let refusals = 1;
    queue.remove = async (deliveries) => {
      if (refusals-- > 0) throw new Error("disk");
      return remove(deliveries);
    };
    const key = createTestName();
    await node.publish(key, 1n);
    await until(() => expect(node.webhooks.status()[0]?.lastError).toBe("disk"));
    await node.clock.advance(1_000);
    await settled(node);
    expect(endpoint.sequencesOf(key.name.text)).toEqual([1, 1]);
  });
});
