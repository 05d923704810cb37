import type { IpnsName } from "@holdfast/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { verifySignature } from "../src/adapters/crypto/verify-signature.ts";
import { examineName } from "../src/cli/doctor-name.ts";
import { adminCompareRoute, type ComparisonView } from "../src/http/routes/admin-compare.ts";
import { adminRoutersRoute } from "../src/http/routes/admin-routers.ts";
import { NameComparer } from "../src/records/lookup/compare-name.ts";
import { RouterHealth } from "../src/records/lookup/router-health.ts";
import { createRecords } from "./support/create-records.ts";
import { createTestName, makeRecord, makeValidatedRecord } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { startAdmin } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const BUDGET_MS = 5_000;
const HOUR_MS = 3_600_000;

async function setUp(labels: readonly string[]) {
  const routers = labels.map((label) => new ScriptedRouter(label));
  const room = createRecords(routers);
  const { records, clock } = room;
  const comparer = new NameComparer(
    { records, routers, verifySignature, clock, timers: clock },
    { budgetMs: BUDGET_MS, comparisonsMax: 2 },
  );
  const admin = await startAdmin({ routes: [adminCompareRoute({ comparer })] });
  onTestFinished(async () => {
    await admin[Symbol.asyncDispose]();
    await room.records.close();
  });
  const compare = async (name: IpnsName): Promise<ComparisonView> => {
    const answer = await fetch(`${admin.url}/admin/names/${name.text}/compare`);
    expect(answer.status).toBe(200);
    return (await answer.json()) as ComparisonView;
  };
  const doctor = async (name: IpnsName, json = false): Promise<{ code: number; text: string }> => {
    let text = "";
    const code = await examineName({ name: name.text, node: admin.url, json }, (part) => (text += part));
    return { code, text };
  };
  return { ...room, routers, admin, compare, doctor };
}

function verdicts({ sources }: ComparisonView): readonly string[] {
  return sources.map(({ label, state, records }) => {
    const all = records.map(({ wins, valid }) => (wins ? "wins" : valid ? "loses" : "invalid"));
    return [label, ...(all.length === 0 ? [state] : all)].join(" ");
  });
}

describe("comparing what is said of a name", () => {
  test("each place says what it has, and the best valid record wins with the reason in words", async () => {
    const { routers, records, compare, doctor } = await setUp([
      "older",
      "forger",
      "earlier",
      "empty",
      "down",
      "newest",
    ]);
    const [key, thief] = [createTestName(), createTestName()];
    const eolMs = Date.now() + 3_600_000;
    const held = await makeRecord(key, { sequence: 6n, eolMs });
    const answers: Readonly<Record<string, readonly Uint8Array[]>> = {
      older: [await makeRecord(key, { sequence: 4n })],
      forger: [
        await makeRecord({ ...key, sign: (message) => thief.sign(message) }, { sequence: 99n }),
        new Uint8Array([1, 2]),
        await makeRecord(key, { sequence: 98n, eolMs: Date.now() - HOUR_MS }),
      ],
      earlier: [await makeRecord(key, { sequence: 7n, eolMs: eolMs - 1_000 })],
      newest: [await makeRecord(key, { sequence: 7n, eolMs })],
    };
    for (const router of routers) router.records.set(key.name.text, answers[router.label] ?? []);
    const down = routers.find(({ label }) => label === "down");
    if (down !== undefined) down.unavailable = new Error("connection refused");
    await records.publish(key.name, held, { origin: "client" });

    const view = await compare(key.name);
    expect(verdicts(view)).toEqual([
      "memory loses",
      "disk loses",
      "older loses",
      "forger invalid invalid invalid",
      "earlier loses",
      "empty nothing",
      "down failed",
      "newest wins",
    ]);
    expect(view).toMatchObject({ name: key.name.text, agreed: false, winner: { sequenceText: "7" } });
    const words = view.explanation.join("\n");
    expect(words).toContain("wins: newest gives it.");
    expect(words).toContain("older gives sequence 4, which loses: the winner's is higher by 3.");
    expect(words).toContain("same sequence, but it ends earlier");
    expect(words).toContain("the signature does not match");
    expect(words).toContain("has expired");
    expect(words).toContain("down could not be asked: connection refused.");
    expect(words).toContain("empty has no record of the name.");
    expect(words).toContain("We do not hold the winner");
    // Looking changes nothing.
    expect(records.held(key.name)?.record.sequence).toBe(6n);

    const table = await doctor(key.name);
    expect(table.code).toBe(1);
    expect(table.text).toMatch(/^✓ {2}newest +wins +7 /m);
    expect(table.text).toMatch(/^! {2}forger +invalid +99 /m);
    const json = await doctor(key.name, true);
    expect(JSON.parse(json.text)).toMatchObject({ agreed: false, winner: { sequenceText: "7" } });
  });

  test("when all agree it says so, and a DHT's many peers count", async () => {
    const { routers, records, compare, doctor } = await setUp(["dht"]);
    const key = createTestName();
    const record = await makeRecord(key);
    routers[0]?.records.set(key.name.text, [record, record, record]);
    await records.publish(key.name, record, { origin: "client" });
    const view = await compare(key.name);
    expect(view).toMatchObject({
      agreed: true,
      explanation: [expect.stringContaining("memory, disk and dht give it.")],
    });
    expect(view.sources[2]?.records).toMatchObject([{ times: 3, wins: true }]);
    expect((await doctor(key.name)).code).toBe(0);
  });

  test("two records with one sequence and end are told apart by their bytes, and it says what that means", async () => {
    const { routers, records, compare } = await setUp(["other"]);
    const key = createTestName();
    const eolMs = Date.now() + 3_600_000;
    const two = [
      await makeRecord(key, { eolMs, value: "/ipfs/bafkqaaa" }),
      await makeRecord(key, { eolMs }),
    ].sort((a, b) => Buffer.compare(a, b));
    const [smaller, greater] = two;
    if (smaller === undefined || greater === undefined) throw new Error("no records");
    await records.publish(key.name, greater, { origin: "client" });
    routers[0]?.records.set(key.name.text, [smaller]);
    const view = await compare(key.name);
    expect(view.explanation.join("\n")).toContain("two records were signed with one sequence");
    expect(view.explanation.join("\n")).toContain("Only we hold the winner");
  });

  test("a name that nobody knows, and one whose record here has expired", async () => {
    const { store, compare, doctor } = await setUp(["a"]);
    const { name } = createTestName();
    expect(await compare(name)).toMatchObject({
      agreed: true,
      winner: null,
      explanation: [
        "Nobody gives a valid record: the name does not resolve.",
        expect.any(String),
        expect.any(String),
        expect.any(String),
      ],
    });
    const key = createTestName();
    const expired = await makeValidatedRecord(key, { eolMs: Date.now() - HOUR_MS });
    await store.put(expired, { origin: "client", receivedAtMs: Date.now() - 2 * HOUR_MS });
    const view = await compare(key.name);
    expect(verdicts(view)).toEqual(["memory nothing", "disk invalid", "a nothing"]);
    expect((await doctor(key.name)).code).toBe(1);
  });

  test("a router that stays silent is named when the time is up, and no more than so many comparisons run at once", async () => {
    const { routers, clock, admin, compare } = await setUp(["silent", "quick"]);
    const key = createTestName();
    const [silent, quick] = routers;
    if (silent === undefined || quick === undefined) throw new Error("no routers");
    silent.manual = true;
    quick.records.set(key.name.text, [await makeRecord(key)]);
    const views = [compare(key.name), compare(key.name)];
    await until(() => expect(silent.gets).toHaveLength(2));
    expect((await fetch(`${admin.url}/admin/names/${key.name.text}/compare`)).status).toBe(503);
    await clock.advance(BUDGET_MS);
    for (const view of await Promise.all(views)) {
      expect(verdicts(view)).toContain("silent silent");
      expect(view.winner?.sequenceText).toBe("1");
    }
    const third = compare(key.name);
    await until(() => expect(silent.gets).toHaveLength(3));
    await clock.advance(BUDGET_MS);
    expect(verdicts(await third)).toContain("quick wins");
  });

  test("what is no name is 400 at once, and the doctor says why when nobody answers", async () => {
    const { admin } = await setUp([]);
    expect((await fetch(`${admin.url}/admin/names/rubbish/compare`)).status).toBe(400);
    let text = "";
    const write = (part: string): void => void (text += part);
    const name = createTestName().name.text;
    expect(await examineName({ name, node: "http://127.0.0.1:1", json: false }, write)).toBe(2);
    expect(text).toContain("no answer from http://127.0.0.1:1");
    expect(await examineName({ name: "rubbish", node: admin.url, json: true }, write)).toBe(2);
    expect(await examineName({ name, node: "nowhere", json: false }, write)).toBe(2);
  });
});

test("GET /admin/routers shows the best router first, with its score, latency, failures, lies and breaker", async () => {
  const parts = { clock: systemClock, random: () => 0.5, metrics: createRecords([]).metrics };
  const breaker = { failuresMax: 3, firstPauseMs: 60_000, pauseMsMax: 60_000 };
  const [good, bad] = ["good.example", "bad.example"].map(
    (label) => new RouterHealth(label, parts, { breaker }),
  );
  good?.admit()?.ended("found", 40.4);
  for (let i = 0; i < 3; i++) bad?.admit()?.ended("invalid", 1);
  const status = () =>
    [bad, good].flatMap((health) =>
      health === undefined ? [] : [{ ...health.status(), reads: true, writes: false }],
    );
  await using admin = await startAdmin({ routes: [adminRoutersRoute({ routers: { status } })] });
  const answer = await fetch(`${admin.url}/admin/routers`);
  expect(await answer.json()).toMatchObject({
    routers: [
      {
        label: "good.example",
        reliability: 1,
        latencyMs: 40,
        asked: 1,
        found: 1,
        failures: 0,
        breaker: "closed",
        reads: true,
        writes: false,
      },
      { label: "bad.example", lies: { older: 0, expired: 0, invalid: 3 }, breaker: "open" },
    ],
  });
});
