import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { KuboBackend } from "../src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { Blocks } from "../src/content/blocks.ts";
import { type Clock, systemClock, type Timers } from "../src/telemetry/clock.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { blockOf } from "./support/blocks.ts";
import { type ScriptedKubo, startScriptedKubo } from "./support/scripted-kubo.ts";
import { within } from "./support/start-embedded.ts";
import { kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

function inFrontOf(url: string, clock: Clock & Timers = systemClock) {
  const vault = new MemoryBlockStore();
  const backend = new KuboBackend({ rpcUrl: url }, { logger: pino({ level: "silent" }), clock, vault });
  onTestFinished(() => backend[Symbol.asyncDispose]());
  backend.start();
  return { backend, vault };
}

describe.skipIf(!kuboAvailable)("a real Kubo that is frozen", () => {
  test("is away within ten seconds, waits end with it, what is held is read on, and it is back when it thaws (R38)", async () => {
    await using kubo = await startKubo({ label: "frozen" });
    const { backend, vault } = inFrontOf(kubo.apiUrl);
    await until(() => expect(backend.status().state).toBe("running"));
    const blocks = new Blocks({ vault, sources: [backend], metrics: new Metrics() });
    const held = blockOf(randomBytes(1_000));
    await vault.put([held]);

    kubo.freeze();
    const frozenAtMs = performance.now();
    const waiting = blocks.get(unknownCid(), within(60_000));
    waiting.catch(() => {});
    await until(async () => {
      expect(await blocks.get(held.cid, within(100))).toBeDefined();
      expect(backend.status().state).toBe("unreachable");
    });
    expect(performance.now() - frozenAtMs).toBeLessThan(10_500);
    await expect(waiting).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await expect(
      backend.pinner.isPinned(held.cid, { recursive: true, ...within(100) }),
    ).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });

    kubo.thaw();
    await until(() => expect(backend.status().state).toBe("running"));
    await backend.pinner.pin(held.cid, { recursive: true, ...within(10_000) });
  });
});

/** In front of Kubo, each answer comes so much later than Kubo gives it. */
async function slowed(kubo: ScriptedKubo, byMs: () => number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    const answer = fetch(`${kubo.url}${request.url ?? ""}`, { method: "POST" });
    const timer = setTimeout(() => {
      answer.then(async (found) => response.end(await found.text())).catch(() => response.destroy());
    }, byMs());
    response.on("close", () => clearTimeout(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a Kubo that takes ten seconds for each call, one after the other, is slow and not away", async () => {
  await using kubo = await startScriptedKubo();
  // Not more: on a busy machine the tester's own delays must stay small beside the eight seconds that count as away.
  const FASTER = 10;
  let delayMs = 0;
  const url = await slowed(kubo, () => delayMs / FASTER);
  const { backend } = inFrontOf(url, {
    nowMs: () => systemClock.nowMs(),
    after: (ms, callback) => systemClock.after(ms / FASTER, callback),
  });
  await until(() => expect(backend.status().state).toBe("running"));
  delayMs = 10_000;
  // It becomes slow all at once, which looks like the end until the first late answers arrive.
  await until(() => expect(backend.status().state).toBe("unreachable"));
  await until(() => expect(backend.status().state).toBe("running"));
  const states = new Set<string>();
  const endAtMs = performance.now() + 60_000 / FASTER;
  await until(() => {
    states.add(backend.status().state);
    expect(performance.now()).toBeGreaterThan(endAtMs);
  });
  expect([...states]).toEqual(["running"]);
}, 40_000);
