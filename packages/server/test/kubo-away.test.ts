import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { Blocks } from "../src/content/blocks.ts";
import { type Clock, systemClock, type Timers } from "../src/telemetry/clock.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { blockOf } from "./support/blocks.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { KUBO_ID, type ScriptedCommand, startScriptedKubo } from "./support/scripted-kubo.ts";
import { within } from "./support/start-embedded.ts";
import { kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const TICK_MS = 1_000;
const STATUS_MS_MAX = 15_000;

function inFrontOf(url: string, clock: Clock & Timers) {
  const vault = new MemoryBlockStore();
  const backend = new KuboBackend(
    { rpcUrl: url },
    { logger: pino({ level: "silent" }), clock, vault, random: () => 0.5 },
  );
  onTestFinished(() => backend[Symbol.asyncDispose]());
  backend.start();
  return { backend, vault };
}

describe.skipIf(!kuboAvailable)("a real Kubo that is frozen", { timeout: 120_000 }, () => {
  test("is away within ten seconds, waits end with it, what is held is read on, and it is back when it thaws (R38)", async () => {
    await using kubo = await startKubo({ label: "frozen" });
    // In ticks: on a busy machine a second of its own may take longer.
    let ticks = 0;
    let ticksUntilAway = 0;
    const { backend, vault } = inFrontOf(kubo.apiUrl, {
      nowMs: () => systemClock.nowMs(),
      after: (ms, callback) =>
        systemClock.after(ms, () => {
          callback();
          if (ms !== TICK_MS) return;
          ticks++;
          if (backend.status().state === "unreachable") ticksUntilAway ||= ticks;
        }),
    });
    await until(() => expect(backend.status().state).toBe("running"));
    const blocks = new Blocks({ vault, sources: [backend], metrics: new Metrics() });
    const held = blockOf(randomBytes(1_000));
    await vault.put([held]);

    kubo.freeze();
    ticks = 0;
    const waiting = blocks.get(unknownCid(), within(60_000));
    waiting.catch(() => {});
    await until(async () => {
      expect(await blocks.get(held.cid, within(100))).toBeDefined();
      expect(ticksUntilAway).toBeGreaterThan(0);
    }, 60_000);
    expect(ticksUntilAway).toBeLessThanOrEqual(10);
    await expect(waiting).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await expect(
      backend.pinner.isPinned(held.cid, { recursive: true, ...within(10_000) }),
    ).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });

    kubo.thaw();
    await until(() => expect(backend.status().state).toBe("running"), 60_000);
    await backend.pinner.pin(held.cid, { recursive: true, ...within(60_000) });
  });
});

/** A clock that is moved by hand, and tells how many calls about Kubo's status have no answer yet. */
function countCalls() {
  const manual = new ManualClock();
  const deadlines = new Set<object>();
  const clock: Clock & Timers = {
    nowMs: () => manual.nowMs(),
    after(ms, callback) {
      const deadline = {};
      if (ms === STATUS_MS_MAX) deadlines.add(deadline);
      const cancel = manual.after(ms, () => {
        deadlines.delete(deadline);
        callback();
      });
      return () => {
        deadlines.delete(deadline);
        cancel();
      };
    },
  };
  // Each call has a deadline for the whole and one for its next step.
  return { clock, advance: (ms: number) => manual.advance(ms), openCalls: () => deadlines.size / 2 };
}

test("a Kubo that takes ten seconds for each call, one after the other, is slow and not away", async () => {
  const { clock, advance, openCalls } = countCalls();
  let delayMs = 0;
  let held = 0;
  const late =
    (answer: object): ScriptedCommand =>
    (response, { request }) => {
      request.resume();
      held++;
      const give = (): void => {
        held--;
        response.end(JSON.stringify(answer));
      };
      if (delayMs === 0) give();
      else clock.after(delayMs, give);
    };
  await using kubo = await startScriptedKubo({
    version: late({ Version: "0.43.0" }),
    id: late({ ID: KUBO_ID, Addresses: [] }),
    "swarm/peers": late({ Peers: [] }),
  });
  const { backend } = inFrontOf(kubo.url, clock);
  await until(() => expect(backend.status().state).toBe("running"));
  delayMs = 10_000;
  const statesFor = async (seconds: number): Promise<string[]> => {
    const states: string[] = [];
    for (let i = 0; i < seconds; i++) {
      await advance(TICK_MS);
      // Whatever was asked is there, and whatever was answered is here.
      await until(() => expect(openCalls()).toBe(held));
      states.push(backend.status().state);
    }
    return states;
  };
  // It becomes slow all at once, which looks like the end until the first late answers arrive.
  const atFirst = await statesFor(20);
  expect(atFirst).toContain("unreachable");
  expect(atFirst.at(-1)).toBe("running");
  expect(new Set(await statesFor(60))).toEqual(new Set(["running"]));
}, 60_000);
