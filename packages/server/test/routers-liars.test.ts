import type { IpnsName } from "@holdfast/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { verifySignature } from "../src/adapters/crypto/verify-signature.ts";
import { HttpRouter } from "../src/adapters/routers/http-router.ts";
import type { RecordRouter } from "../src/records/lookup/record-router.ts";
import { RouterHealth, type RouterHealthOptions } from "../src/records/lookup/router-health.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { createRecords } from "./support/create-records.ts";
import { createTestName, makeRecord, type TestKey } from "./support/records.ts";
import { type RouterBehaviour, startRouterServer } from "./support/router-server.ts";
import { until } from "./support/until.ts";

/** Real servers on real time, with the waits of production shortened. */
const HEALTH: RouterHealthOptions = {
  breaker: { failuresMax: 3, firstPauseMs: 60_000, pauseMsMax: 60_000 },
  patienceMs: 400,
};
const BUDGET_MS = 2_000;
const signal = new AbortController().signal;

async function setUp(behaviour: RouterBehaviour) {
  const [good, bad] = [await startRouterServer(), await startRouterServer(behaviour)];
  const clock = systemClock;
  const [metrics, random] = [new Metrics(), Math.random];
  const http = { clock, verifySignature };
  const [goodRouter, badRouter] = [
    new HttpRouter(http, { baseUrl: good.url }),
    new HttpRouter(http, { baseUrl: bad.url }),
  ];
  const healths = new Map<RecordRouter, RouterHealth>(
    [goodRouter, badRouter].map((router) => [
      router,
      new RouterHealth(router.label, { clock, random, metrics }, HEALTH),
    ]),
  );
  const healthOf = (router: RecordRouter): RouterHealth =>
    healths.get(router) ?? new RouterHealth("?", { clock, random, metrics });
  const { records } = createRecords([badRouter, goodRouter], {
    parts: { clock, timers: clock, healthOf, metrics },
    options: { budgetMs: BUDGET_MS, firstAnswerMs: 1_900 },
  });
  onTestFinished(async () => {
    await records.close();
    await Promise.all([good[Symbol.asyncDispose](), bad[Symbol.asyncDispose]()]);
  });
  return { good, bad, records, badHealth: healthOf(badRouter), goodHealth: healthOf(goodRouter) };
}

type Nodes = Awaited<ReturnType<typeof setUp>>;

/** Resolves a name that only the good router knows, and one that nobody knows. */
async function measure({
  good,
  records,
}: Nodes): Promise<{ readonly foundMs: number; readonly missedMs: number }> {
  const key = createTestName();
  good.records.set(key.name.text, await makeRecord(key, { sequence: 7n }));
  const tookMs = async (name: IpnsName): Promise<number> => {
    const startedAtMs = performance.now();
    await records.resolve(name, { signal }).catch(() => undefined);
    return performance.now() - startedAtMs;
  };
  const foundMs = await tookMs(key.name);
  expect(records.held(key.name)?.record.sequence).toBe(7n);
  return { foundMs, missedMs: await tookMs(createTestName().name) };
}

describe("one dead router leaves the answers and the latency of the others unharmed", () => {
  test.each([
    "silent",
    "stalls in the body",
    "drips",
    "reset",
    "reset in the body",
    "500",
    "503 for 20 s",
    "redirects",
    "huge record",
  ] as const)("%s", async (behaviour) => {
    const nodes = await setUp(behaviour);
    // From the first question on: the good answer is given when it is there, and a miss is waited for no longer than patience.
    for (let i = 0; i < 4; i++) {
      const { foundMs, missedMs } = await measure(nodes);
      expect(foundMs).toBeLessThan(1_000);
      expect(missedMs).toBeLessThan(1_500);
    }
    await until(() => expect(nodes.badHealth.status().breaker).toBe("open"));
    // From then on it is as if it were not there.
    const asked = nodes.bad.asked.length;
    const { foundMs, missedMs } = await measure(nodes);
    expect(Math.max(foundMs, missedMs)).toBeLessThan(1_000);
    expect(nodes.bad.asked).toHaveLength(asked);
    expect(nodes.goodHealth.status()).toMatchObject({ failures: 0, reliability: 1, breaker: "closed" });
    expect(nodes.badHealth.score).toBeLessThan(nodes.goodHealth.score);
  });

  test("nobody listening at all", async () => {
    const nodes = await setUp("honest");
    await nodes.bad[Symbol.asyncDispose]();
    for (let i = 0; i < 4; i++) {
      const { foundMs, missedMs } = await measure(nodes);
      expect(Math.max(foundMs, missedMs)).toBeLessThan(1_000);
    }
    expect(nodes.badHealth.status().breaker).toBe("open");
  });
});

describe("a router that lies is scored down, and never changes the answer (P1)", () => {
  const lies: Readonly<Record<string, (key: TestKey) => Promise<Uint8Array>>> = {
    expired: (key) => makeRecord(key, { sequence: 99n, eolMs: Date.now() - 1_000 }),
    "forged, with a huge sequence": async (key) => {
      const thief = createTestName();
      return makeRecord({ ...key, sign: (message) => thief.sign(message) }, { sequence: 2n ** 62n });
    },
    "another name's": () => makeRecord(createTestName(), { sequence: 99n }),
    garbage: () => Promise.resolve(new Uint8Array([1, 2, 3])),
    empty: () => Promise.resolve(new Uint8Array()),
  };

  test.each(Object.keys(lies))("%s", async (kind) => {
    const nodes = await setUp("honest");
    const { good, bad, records, badHealth, goodHealth } = nodes;
    for (let i = 0; i < 8; i++) {
      const key = createTestName();
      good.records.set(key.name.text, await makeRecord(key, { sequence: 7n }));
      const lie = await lies[kind]?.(key);
      if (lie !== undefined) bad.records.set(key.name.text, lie);
      const startedAtMs = performance.now();
      await records.resolve(key.name, { signal });
      expect(performance.now() - startedAtMs).toBeLessThan(1_000);
      await until(() => expect(records.isLookedUp(key.name)).toBe(false));
      expect(records.held(key.name)?.record.sequence).toBe(7n);
    }
    const status = badHealth.status();
    expect(goodHealth.status()).toMatchObject({ reliability: 1, failures: 0, found: 8, breaker: "closed" });
    expect(status.lies.expired + status.lies.invalid).toBeGreaterThanOrEqual(3);
    expect(status.breaker).toBe("open");
    expect(badHealth.score).toBeLessThan(0.6);
  });

  test("answers older than what we hold make it doubtful: it is asked after the others, and still heard", async () => {
    const nodes = await setUp("honest");
    const { good, bad, records, badHealth, goodHealth } = nodes;
    for (let i = 0; i < 8; i++) {
      const key = createTestName();
      const newest = await makeRecord(key, { sequence: 7n });
      await records.publish(key.name, newest, { origin: "client" });
      good.records.set(key.name.text, newest);
      bad.records.set(key.name.text, await makeRecord(key, { sequence: 6n }));
      await records.resolve(key.name, { signal, ask: "first" });
      expect(records.held(key.name)?.record.sequence).toBe(7n);
    }
    expect(badHealth.status()).toMatchObject({ lies: { older: 8 }, breaker: "closed" });
    expect(badHealth.isDoubtful).toBe(true);
    expect(badHealth.score).toBeLessThan(goodHealth.score / 2);
    const key = createTestName();
    good.records.set(key.name.text, await makeRecord(key, { sequence: 1n }));
    bad.records.set(key.name.text, await makeRecord(key, { sequence: 2n }));
    await records.resolve(key.name, { signal });
    await until(() => expect(records.held(key.name)?.record.sequence).toBe(2n));
  });
});
