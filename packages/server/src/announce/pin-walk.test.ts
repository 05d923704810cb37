import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { createLogger } from "../telemetry/logger.ts";
import { Metrics } from "../telemetry/metrics.ts";
import type { Subject, Walk } from "./announcement-outbox.ts";
import { PinWalk } from "./pin-walk.ts";

test("R15: behind the pins it queues all names, some with each step, so that a node that stops waits for few", async () => {
  const known = Array.from({ length: 250 }, (_, i): Subject => {
    const name = String(i).padStart(3, "0");
    return { kind: "name", d: `ipfs-ipns:${name}`, items: [name] };
  });
  let progress: Walk | undefined;
  const queued: string[] = [];
  const outbox = {
    walk: () => progress,
    saveWalk: async (walk: Walk | undefined) => void (progress = walk),
    unheardPages: () => 0,
    queue: async (subjects: readonly Subject[]) => void queued.push(...subjects.map(({ d }) => d)),
    names: (after: string, limit: number) => known.filter(({ d }) => d > after).slice(0, limit),
  };
  const pins = { page: () => ({ roots: [], next: undefined }) };
  const parts = { clock: new ManualClock(), logger: createLogger("silent"), metrics: new Metrics() };
  const walk = new PinWalk({ outbox, pins, ...parts });
  expect(await walk.begin()).toBe(true);
  for (let before = 0; await walk.step(); before = queued.length) {
    expect(queued.length - before).toBeLessThanOrEqual(100);
  }
  expect(queued).toEqual(known.map(({ d }) => d));
  expect(walk.progress).toBeUndefined();
  expect(await walk.begin()).toBe(true);
});
