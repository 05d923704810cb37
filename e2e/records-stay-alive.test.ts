import type { IpnsName, ValidatedRecord } from "@holdfast/core";
import { describe, expect, test } from "vitest";
import { KuboBackend } from "../packages/server/src/adapters/kubo/kubo-backend.ts";
import { MemoryBlockStore } from "../packages/server/src/adapters/memory/block-store.ts";
import type { RecordRouter } from "../packages/server/src/records/lookup/record-router.ts";
import { systemClock } from "../packages/server/src/telemetry/clock.ts";
import { createLogger } from "../packages/server/src/telemetry/logger.ts";
import { KeepAliveWorld } from "../packages/server/test/support/keep-alive-world.ts";
import { type Kubo, kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { createPublisher, putRecord } from "./support/names.ts";
import { startNode, temporaryFolder, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

const HOUR_MS = 3_600_000;
const NAMES = 2_000;

interface RealPuts extends AsyncDisposable {
  readonly router: RecordRouter;
  /** In the order in which they began. */
  readonly names: IpnsName[];
}

/** Real puts through a real Kubo, for which the simulated clock stands still. */
function realPuts(world: KeepAliveWorld, kubo: Kubo): RealPuts {
  const backend = new KuboBackend(
    { rpcUrl: kubo.apiUrl },
    { logger: createLogger("silent"), clock: systemClock, vault: new MemoryBlockStore() },
  );
  const names: IpnsName[] = [];
  const router: RecordRouter = {
    label: backend.label,
    get: (...args) => backend.get(...args),
    put: (name, ...rest) => {
      names.push(name);
      return world.watch(backend.put(name, ...rest));
    },
  };
  return { router, names, [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose]() };
}

async function expectThere(kubo: Kubo, records: readonly ValidatedRecord[]): Promise<void> {
  for (const { name, bytes } of records) {
    expect(Buffer.from((await kubo.routingGet(name.text)) ?? []).equals(bytes)).toBe(true);
  }
}

describe.skipIf(!kuboAvailable)("records stay alive on a network of real Kubo nodes", () => {
  test("R14: of 2,000 records none goes dark in a simulated week, and after 40 hours off the names at risk come first", async () => {
    await using other = await startKubo({ label: "other" });
    await using kubo = await startKubo({ label: "ours", peers: [other.addr] });
    await kubo.routesTo(other.peerId);
    await using world = new KeepAliveWorld();
    await using puts = realPuts(world, kubo);
    await world.begin([puts.router]);
    const records = await world.makeRecords(NAMES);
    // Over a day, as they come to a node that lives.
    for (let at = 0; at < NAMES; at += 100) {
      await world.put(records.slice(at, at + 100));
      await world.clock.jump(24 * HOUR_MS * (100 / NAMES));
    }
    for (let hours = 0; hours < 7 * 24; hours += 2) {
      await world.clock.jump(2 * HOUR_MS);
      await world.clock.advance(10_000);
      expect(world.keepAlive.status()).toMatchObject({
        isAlerting: false,
        targets: [{ darkNames: 0, atRiskNames: 0, failingNames: 0 }],
      });
      const at = (hours * 11) % NAMES;
      await expectThere(other, records.slice(at, at + 3));
    }
    expect(puts.names.length).toBeGreaterThanOrEqual(NAMES * 7);
    expect(puts.names.length).toBeLessThan(NAMES * 9.5);

    const darkAtMs = new Map(
      records.map(({ name }) => [name.text, world.store.propagations.of(name)[0]?.darkAtMs ?? 0]),
    );
    await world.end();
    // To half an hour before the next ones go dark: names that were put together do so together.
    const backAtMs = world.clock.nowMs() + 40 * HOUR_MS;
    const nowMs = Math.min(...[...darkAtMs.values()].filter((at) => at > backAtMs)) - HOUR_MS / 2;
    world.clock.skip(nowMs - world.clock.nowMs());
    puts.names.length = 0;
    await world.begin([puts.router]);
    await world.clock.advance(60_000);
    const order = [...new Set(puts.names.map(({ text }) => text))].map((text) => darkAtMs.get(text) ?? 0);
    expect(order.length).toBeGreaterThan(NAMES * 0.9);
    // What would go dark within the hour, what is dark, the rest: each in the order of their deadlines.
    const rank = (at: number): number => (at > nowMs + HOUR_MS ? 2 : at > nowMs ? 0 : 1);
    expect(new Set(order.map(rank))).toEqual(new Set([0, 1, 2]));
    expect(order).toEqual(order.toSorted((a, b) => rank(a) - rank(b) || a - b));
    await expectThere(other, records.slice(0, 20));
  }, 900_000);

  test("kill -9 with a full outbox, and again in the middle of a pass: every record arrives, and the pass goes on", async () => {
    await using other = await startKubo({ label: "other" });
    await using kubo = await startKubo({ label: "behind", host: "127.0.7.1", peers: [other.addr] });
    await using folder = await temporaryFolder();
    const start = (): Promise<TestNode> =>
      startNode({
        dataDir: folder.path,
        env: { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: kubo.apiUrl },
      });
    const published = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const publisher = createPublisher();
        return { name: publisher.name, record: await publisher.record("/ipfs/bafkqaaa", 1n) };
      }),
    );
    await kubo.kill();
    const first = await start();
    for (const { name, record } of published) {
      expect((await putRecord(first.publicUrl, name, record)).status).toBe(200);
    }
    await first.stop("SIGKILL");
    await kubo.restart({ keepPorts: true });

    const second = await start();
    await until(async () => {
      for (const { name, record } of published) {
        expect(Buffer.from((await other.routingGet(name.text)) ?? []).equals(record)).toBe(true);
      }
    }, 120_000);
    const started = await fetch(`${second.adminUrl}/reannounce`, { method: "POST" });
    expect(started.status).toBe(202);
    const { id } = (await started.json()) as { id: string };
    await second.stop("SIGKILL");

    await using third = await start();
    await until(async () => {
      const answer = await fetch(`${third.adminUrl}/admin/operations/${id}`);
      const operation = (await answer.json()) as {
        state: string;
        targets: { confirmed: number; skipped: number; failed: number }[];
      };
      expect(operation.state).toBe("done");
      expect(operation.targets).toMatchObject([{ failed: 0 }]);
    }, 120_000);
  }, 400_000);
});
