import { expect, onTestFinished, test } from "vitest";
import { FakeDht } from "./support/fake-dht.ts";
import { KeepAliveWorld, seededRandom } from "./support/keep-alive-world.ts";
import { startAdmin, startHttp } from "./support/start-http.ts";

const SECOND_MS = 1_000;

async function startNode() {
  const world = new KeepAliveWorld();
  const dht = new FakeDht({ clock: world.clock, random: seededRandom(1) }, { label: "kubo" });
  await world.begin([dht]);
  const admin = await startAdmin({ keepAlive: world.keepAlive });
  onTestFinished(async () => {
    await admin[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });
  const call = async (method: string, path: string) => {
    const response = await fetch(`${admin.url}${path}`, { method });
    return { status: response.status, body: (await response.json()) as Record<string, unknown>, response };
  };
  return { world, dht, admin, call };
}

test("GET /admin/keep-alive tells of each target", async () => {
  const { world, call } = await startNode();
  await world.put(await world.makeRecords(3));
  await world.clock.advance(60 * SECOND_MS);
  const { status, body, response } = await call("GET", "/admin/keep-alive");
  expect(status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(body).toMatchObject({
    alert: false,
    preparing: false,
    targets: [
      {
        target: "kubo",
        puts_under_way: 0,
        puts_max: 8,
        paused_until: null,
        records_per_hour: 3,
        lag_seconds: 0,
        new_names: 0,
        failing_names: 0,
        names_at_risk: 0,
        names_dark: 0,
      },
    ],
  });
  expect(Number(body["time_to_dark_seconds"])).toBeGreaterThan(47 * 3_600);
});

test("R15: POST /reannounce answers 202 before anything is put, is looked up, shows in /metrics and can be cancelled", async () => {
  const { world, dht, call } = await startNode();
  await world.put(await world.makeRecords(200));
  await world.clock.advance(60 * SECOND_MS);
  dht.latencyMs = 10 * SECOND_MS;
  dht.puts.length = 0;
  const started = await call("POST", "/reannounce");
  expect(started).toMatchObject({ status: 202, body: { kind: "reannounce", state: "running", names: 200 } });
  const url = started.response.headers.get("location") ?? "";
  expect(url).toBe(`/admin/operations/${String(started.body["id"])}`);
  expect((await call("POST", "/reannounce")).body["id"]).toBe(started.body["id"]);
  await world.clock.advance(30 * SECOND_MS);
  const during = await call("GET", url);
  expect(during.body).toMatchObject({
    state: "running",
    ended_at: null,
    targets: [{ target: "kubo", failed: 0 }],
  });
  const cancelled = await call("DELETE", url);
  expect(cancelled).toMatchObject({ status: 200, body: { state: "cancelled" } });
  await world.clock.advance(60 * SECOND_MS);
  expect(dht.puts.length).toBeLessThan(200);
  expect(await call("GET", url)).toMatchObject({ status: 200, body: { state: "cancelled" } });
  const metrics = await (await fetch(`${new URL(started.response.url).origin}/metrics`)).json();
  expect(metrics).toMatchObject({ keep_alive: { targets: [{ target: "kubo" }] } });
});

test("an operation that there is not is 404, and none of this is on the public listener", async () => {
  const { admin } = await startNode();
  expect((await fetch(`${admin.url}/admin/operations/none`)).status).toBe(404);
  expect((await fetch(`${admin.url}/admin/operations/none`, { method: "DELETE" })).status).toBe(404);
  await using http = await startHttp();
  for (const path of ["/reannounce", "/admin/keep-alive", "/admin/operations/x"]) {
    expect(
      (await fetch(`${http.url}${path}`, { method: path === "/reannounce" ? "POST" : "GET" })).status,
    ).toBe(404);
  }
});
