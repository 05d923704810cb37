import { expect, test, vi } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { createTestName, makeValidatedRecord } from "../../test/support/records.ts";
import { ScriptedRouter } from "../../test/support/scripted-router.ts";
import { createLogger } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";
import type { RecordRouter } from "./record-router.ts";
import { type PropagationOptions, Propagator } from "./propagator.ts";

function createPropagator(routers: readonly RecordRouter[], options: Partial<PropagationOptions> = {}) {
  const clock = new ManualClock();
  const metrics = new Metrics();
  const propagator = new Propagator(
    { routers, timers: clock, random: () => 0.5, logger: createLogger("silent"), metrics },
    { putsMax: 4, queueMax: 100, putTimeoutMs: 60_000, retryPausesMs: [1_000, 5_000], ...options },
  );
  return { propagator, clock, metrics };
}

/** A router whose puts wait until the test lets them go. */
class GatedRouter extends ScriptedRouter {
  readonly gates: (() => void)[] = [];

  override async put(...args: Parameters<ScriptedRouter["put"]>): Promise<{ confirmedPeers: number }> {
    await new Promise<void>((resolve) => this.gates.push(resolve));
    return super.put(...args);
  }
}

test("a record is put to every router", async () => {
  const routers = [new ScriptedRouter("a"), new ScriptedRouter("b")];
  const { propagator, metrics } = createPropagator(routers);
  const record = await makeValidatedRecord(createTestName());
  propagator.enqueue(record);
  await vi.waitFor(() => expect(metrics.records.propagated).toBe(2));
  for (const router of routers) expect(router.puts.map((put) => put.recordBytes)).toEqual([record.bytes]);
  expect(propagator.pending).toBe(0);
});

test("a put that no peer confirmed is tried again with growing pauses, then given up and counted", async () => {
  const router = new ScriptedRouter();
  router.confirmedPeers = 0;
  const { propagator, clock, metrics } = createPropagator([router]);
  propagator.enqueue(await makeValidatedRecord(createTestName()));
  await clock.advance(0);
  expect(router.puts).toHaveLength(1);
  await clock.advance(999);
  expect(router.puts).toHaveLength(1);
  await clock.advance(1);
  expect(router.puts).toHaveLength(2);
  await clock.advance(5_000);
  expect(router.puts).toHaveLength(3);
  await clock.advance(60_000);
  expect(router.puts).toHaveLength(3);
  expect(metrics.records.propagationFailed).toBe(1);
  expect(propagator.pending).toBe(0);
});

test("a newer record takes the place of one that waits for another attempt", async () => {
  const router = new ScriptedRouter();
  router.unavailable = new Error("down");
  const { propagator, clock } = createPropagator([router]);
  const key = createTestName();
  propagator.enqueue(await makeValidatedRecord(key, { sequence: 1n }));
  await clock.advance(0);
  router.unavailable = undefined;
  const newer = await makeValidatedRecord(key, { sequence: 2n });
  propagator.enqueue(newer);
  await clock.advance(10_000);
  expect(router.puts.at(-1)?.recordBytes).toEqual(newer.bytes);
  expect(router.puts).toHaveLength(2);
});

test("two puts of one name never run at once, and of those that wait only the newest is put", async () => {
  const router = new GatedRouter();
  const { propagator } = createPropagator([router]);
  const key = createTestName();
  const records = await Promise.all([1n, 2n, 3n].map((sequence) => makeValidatedRecord(key, { sequence })));
  for (const record of records) propagator.enqueue(record);
  expect(router.gates).toHaveLength(1);
  router.gates[0]?.();
  await vi.waitFor(() => expect(router.gates).toHaveLength(2));
  router.gates[1]?.();
  await vi.waitFor(() => expect(propagator.pending).toBe(0));
  expect(router.puts.map((put) => put.recordBytes)).toEqual([records[0]?.bytes, records[2]?.bytes]);
});

test("no more than putsMax run at once, and a full queue drops and counts", async () => {
  const router = new GatedRouter();
  const { propagator, metrics } = createPropagator([router], { putsMax: 2, queueMax: 3 });
  for (let i = 0; i < 5; i++) propagator.enqueue(await makeValidatedRecord(createTestName()));
  expect(router.gates).toHaveLength(2);
  expect(propagator.pending).toBe(3);
  expect(metrics.records.propagationFailed).toBe(2);
});

test("after close nothing is put any more", async () => {
  const router = new ScriptedRouter();
  router.confirmedPeers = 0;
  const { propagator, clock } = createPropagator([router]);
  propagator.enqueue(await makeValidatedRecord(createTestName()));
  await clock.advance(0);
  propagator.close();
  await clock.advance(60_000);
  expect(router.puts).toHaveLength(1);
});
