import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { RouterHealth, type RouterHealthOptions, type RouterVerdict } from "./router-health.ts";

const HTTP: RouterHealthOptions = {
  breaker: { failuresMax: 3, firstPauseMs: 1_000, pauseMsMax: 60_000 },
  patienceMs: 2_000,
};

function setUp(options: RouterHealthOptions = HTTP) {
  const clock = new ManualClock(0);
  const metrics = new Metrics();
  return {
    clock,
    metrics,
    health: new RouterHealth("r.example", { clock, random: () => 0.5, metrics }, options),
  };
}

function end(health: RouterHealth, verdict: RouterVerdict, latencyMs = 100): void {
  health.admit()?.ended(verdict, latencyMs);
}

test("a router that answers truly keeps the best reliability, and the quicker one has the higher score", () => {
  const [quick, slow] = [setUp().health, setUp().health];
  for (let i = 0; i < 20; i++) {
    end(quick, i % 2 === 0 ? "found" : "nothing", 50);
    end(slow, "found", 4_000);
  }
  expect(quick.status()).toMatchObject({ reliability: 1, asked: 20, found: 10, failures: 0, latencyMs: 50 });
  expect(quick.score).toBeGreaterThan(0.95);
  expect(slow.score).toBeLessThan(0.4);
  expect(slow.isDoubtful).toBe(false);
});

test("forged and expired answers open the breaker as failures do; answers that lag make it doubtful and no more", () => {
  for (const verdict of ["invalid", "expired"] as const) {
    const { health, metrics } = setUp();
    for (let i = 0; i < 3; i++) end(health, verdict);
    expect(health.status()).toMatchObject({ breaker: "open", lies: { [verdict]: 3 } });
    expect(health.admit()).toBeUndefined();
    expect(metrics.routers).toMatchObject({ asked: 3, lies: 3, failures: 0, skipped: 1 });
  }
  const { health } = setUp();
  for (let i = 0; i < 50; i++) end(health, "older");
  expect(health.status()).toMatchObject({ breaker: "closed", lies: { older: 50 } });
  expect(health.isDoubtful).toBe(true);
  for (let i = 0; i < 5; i++) end(health, "found");
  expect(health.isDoubtful).toBe(false);
});

test("failures make it doubtful and open the breaker; a backend is neither, it knows by itself when it is away", () => {
  const { health, metrics } = setUp();
  for (let i = 0; i < 3; i++) health.admit()?.failed();
  expect(health.status()).toMatchObject({ breaker: "open", failures: 3 });
  expect(metrics.routers.failures).toBe(3);
  const backend = setUp({}).health;
  for (let i = 0; i < 50; i++) backend.admit()?.failed();
  expect(backend.admit()).toBeDefined();
  expect(backend.isDoubtful).toBe(false);
  expect(backend.patienceMs).toBeUndefined();
});

test("an attempt counts once, and not at all when it ended for a reason of ours", () => {
  const { health } = setUp();
  const attempt = health.admit();
  attempt?.failed();
  attempt?.ended("found", 1);
  attempt?.failed();
  health.admit()?.undecided();
  expect(health.status()).toMatchObject({ asked: 1, failures: 1, found: 0 });
});

test("patience follows the pace of the router, within bounds", () => {
  const { health } = setUp();
  expect(health.patienceMs).toBe(2_000);
  for (let i = 0; i < 30; i++) end(health, "found", 20);
  expect(health.patienceMs).toBe(1_000);
  for (let i = 0; i < 30; i++) end(health, "found", 600);
  expect(health.patienceMs).toBeCloseTo(2_400, -2);
  for (let i = 0; i < 30; i++) end(health, "found", 9_000);
  expect(health.patienceMs).toBe(5_000);
});
