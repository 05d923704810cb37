import { describe, expect, onTestFinished, test } from "vitest";
import { verifySignature } from "../src/adapters/crypto/verify-signature.ts";
import { HttpRouter } from "../src/adapters/routers/http-router.ts";
import type { RecordRouter } from "../src/records/lookup/record-router.ts";
import { RouterHealth, type RouterHealthOptions } from "../src/records/lookup/router-health.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { createRecords } from "./support/create-records.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { createTestName, makeRecord, type TestKey } from "./support/records.ts";
import { type RouterBehaviour, startRouterServer } from "./support/router-server.ts";
import { until } from "./support/until.ts";

const HOUR_MS = 3_600_000;
const PATIENCE_MS = 400;
const BUDGET_MS = 2_000;
const HEALTH: RouterHealthOptions = {
  breaker: { failuresMax: 3, firstPauseMs: HOUR_MS, pauseMsMax: HOUR_MS },
  patienceMs: PATIENCE_MS,
};
/** Where nobody listens. Not a port that was given back: it may be somebody else's by now. */
const NOBODY = "http://127.0.0.1:2";
const signal = new AbortController().signal;

/** Real servers, in a time that the test moves: what is given while it stands still was not waited for. */
async function setUp(behaviour: RouterBehaviour | "nobody") {
  const [good, bad] = [
    await startRouterServer(),
    await startRouterServer(behaviour === "nobody" ? "honest" : behaviour),
  ];
  const clock = new ManualClock();
  const [metrics, random] = [new Metrics(), () => 0.5];
  const http = { clock, verifySignature };
  const [goodRouter, badRouter] = [
    new HttpRouter(http, { baseUrl: good.url }),
    new HttpRouter(http, { baseUrl: behaviour === "nobody" ? NOBODY : bad.url }),
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
  return { clock, good, bad, records, badHealth: healthOf(badRouter), goodHealth: healthOf(goodRouter) };
}

type Nodes = Awaited<ReturnType<typeof setUp>>;

/** Resolves a name that only the good router knows, without any wait, and one that nobody knows, within so much time. */
async function resolveBoth(
  { clock, good, records, goodHealth }: Nodes,
  waitMs: number,
): Promise<readonly string[]> {
  const { asked } = goodHealth.status();
  const [key, { name: unknown }] = [createTestName(), createTestName()];
  good.records.set(key.name.text, await makeRecord(key, { sequence: 7n }));
  const { stored } = await records.resolve(key.name, { signal });
  expect(stored.record.sequence).toBe(7n);
  const missing = records.resolve(unknown, { signal }).catch((err: unknown) => err);
  await until(() => expect(goodHealth.status().asked).toBe(asked + 2));
  await clock.advance(waitMs);
  expect(await missing).toMatchObject({ code: "RECORD_NOT_FOUND" });
  return [key.name.text, unknown.text];
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
    "nobody",
  ] as const)("%s", async (behaviour) => {
    const nodes = await setUp(behaviour);
    const { clock, bad, badHealth, goodHealth } = nodes;
    // From the first question on: the good answer is given when it is there, and a miss is waited for no longer than patience.
    for (let i = 0; i < 4; i++) await resolveBoth(nodes, PATIENCE_MS);
    await clock.advance(BUDGET_MS);
    await until(() => expect(badHealth.status().breaker).toBe("open"));
    // From then on it is as if it were not there.
    const names = await resolveBoth(nodes, 0);
    expect(bad.asked.filter((line) => names.some((name) => line.includes(name)))).toEqual([]);
    expect(goodHealth.status()).toMatchObject({ failures: 0, reliability: 1, breaker: "closed" });
    expect(badHealth.score).toBeLessThan(goodHealth.score);
  });
});

describe("a router that lies is scored down, and never changes the answer (P1)", () => {
  const lies: Readonly<Record<string, (key: TestKey) => Promise<Uint8Array>>> = {
    expired: (key) => makeRecord(key, { sequence: 99n, eolMs: Date.now() - HOUR_MS }),
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
      await records.resolve(key.name, { signal });
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
