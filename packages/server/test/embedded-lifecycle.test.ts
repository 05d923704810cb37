import { copyFile, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { unknownCid } from "./contracts/block-source.contract.ts";
import { type Clock, systemClock, type Timers } from "../src/telemetry/clock.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { collect, startEmbedded, temporaryFolder, within } from "./support/start-embedded.ts";
import { until } from "./support/until.ts";

const UNAVAILABLE_ERROR = { code: "BACKEND_UNAVAILABLE" };
const UNAVAILABLE: unknown = expect.objectContaining({
  status: "rejected",
  reason: expect.objectContaining(UNAVAILABLE_ERROR),
});

/** A node starts in two seconds, and in ten on a machine that is busy. */
const SLOW = { timeout: 120_000 };
/** For calls that wait for a start. */
const PATIENCE_MS = 60_000;

/** Real time, but for the pause before a restart, which ends when a test says so. */
function holdRestarts() {
  let restart = (): void => {};
  const clock: Clock & Timers = {
    nowMs: () => systemClock.nowMs(),
    after(delayMs, callback) {
      // The first pause is below a second; the others are bounds for starts and stops.
      if (delayMs > 1_000) return systemClock.after(delayMs, callback);
      restart = callback;
      return () => (restart = (): void => {});
    },
  };
  return { clock, endPause: () => restart() };
}

describe("the identity of the embedded node", SLOW, () => {
  it("stays the same over a restart, in a key file that only its owner can read", async () => {
    await using folder = await temporaryFolder();
    const peerIds: string[] = [];
    for (let i = 0; i < 2; i++) {
      await using started = await startEmbedded({ dataDir: folder.path });
      peerIds.push(started.peerId);
    }
    expect(peerIds[1]).toBe(peerIds[0]);
    expect((await stat(join(folder.path, "node.key"))).mode & 0o777).toBe(0o600);
  });

  it("is not replaced when the key file is damaged: the node does not start", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "node.key");
    await writeFile(file, "not a key");
    await using started = await startEmbedded({ dataDir: folder.path, ready: false });
    await expect(started.node.whenRunning(within(PATIENCE_MS))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });
    expect(started.node.status()).toMatchObject({ state: "restarting", peerId: undefined });
    expect(await readFile(file, "utf8")).toBe("not a key");
  });

  it("keeps the records of its DHT store over a restart", async () => {
    await using folder = await temporaryFolder();
    const key = createTestName();
    const record = await makeRecord(key);
    {
      await using first = await startEmbedded({ dataDir: folder.path });
      // Alone, nobody confirms it, but our own server holds it.
      expect(await first.node.put(key.name, record, within(PATIENCE_MS))).toEqual({ confirmedPeers: 0 });
    }
    await using second = await startEmbedded({ dataDir: folder.path });
    expect(await collect(second.node.get(key.name, within(PATIENCE_MS)))).toEqual([record]);
  });
});

describe("starting and stopping", SLOW, () => {
  it("does not wait for the node, and a call made before it runs waits for it", async () => {
    await using started = await startEmbedded({ ready: false });
    expect(started.node.status()).toMatchObject({
      state: "starting",
      peers: 0,
      addrs: [],
      peerId: undefined,
    });
    expect(await collect(started.node.get(createTestName().name, within(PATIENCE_MS)))).toEqual([]);
    expect(started.node.status().state).toBe("running");
  });

  it("gives up a call that waits for the start when its signal aborts", async () => {
    await using started = await startEmbedded({ ready: false });
    const reason = new Error("the reader has gone");
    const reader = new AbortController();
    const retrieving = started.node.retrieve(unknownCid(), { signal: reader.signal });
    reader.abort(reason);
    await expect(retrieving).rejects.toBe(reason);
  });

  it("stops within seconds, also in the middle of its start, and fails calls from then on", async () => {
    for (const ready of [true, false]) {
      const started = await startEmbedded({ ready });
      const startedAtMs = performance.now();
      await started[Symbol.asyncDispose]();
      await started[Symbol.asyncDispose]();
      // Who waited for the end of a start would wait a minute.
      expect(performance.now() - startedAtMs).toBeLessThan(30_000);
      expect(started.node.status().state).toBe("stopped");
      await expect(started.node.retrieve(unknownCid(), within(5_000))).rejects.toMatchObject({
        code: "BACKEND_UNAVAILABLE",
      });
    }
  });
});

describe("a node thread that dies", SLOW, () => {
  it("is restarted with the same identity; open calls fail, calls meanwhile fail at once, later ones work", async () => {
    const { clock, endPause } = holdRestarts();
    await using neighbour = await startEmbedded();
    await using started = await startEmbedded({ bootstrap: [neighbour.addr], clock });
    const { node, metrics, peerId } = started;
    const open = node.retrieve(unknownCid(), within(PATIENCE_MS));
    const [ended] = await Promise.allSettled([open, node.killThreadForTest()]);
    expect(ended).toMatchObject({ status: "rejected", reason: { code: "BACKEND_UNAVAILABLE" } });
    await until(() => {
      expect(node.status().state).toBe("restarting");
    });
    expect(metrics.backend.restarts).toBe(1);
    // At once: the pause has no end yet.
    const outcomes = await Promise.allSettled([
      node.retrieve(unknownCid(), within(PATIENCE_MS)),
      collect(node.get(createTestName().name, within(PATIENCE_MS))),
      node.put(createTestName().name, new Uint8Array(1), within(PATIENCE_MS)),
      node.provide(unknownCid(), within(PATIENCE_MS)),
    ]);
    expect(outcomes).toEqual([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
    endPause();
    await until(() => {
      expect(node.status()).toMatchObject({ state: "running", peerId, peers: 1 });
    }, PATIENCE_MS);
    const key = createTestName();
    const record = await makeRecord(key);
    // Its DHT takes the neighbour some milliseconds after the connection.
    await until(async () => {
      expect(await node.put(key.name, record, within(PATIENCE_MS))).toEqual({ confirmedPeers: 1 });
    }, PATIENCE_MS);
  });

  it("is stopped for good by a dispose during the pause before its restart", async () => {
    const { clock, endPause } = holdRestarts();
    const started = await startEmbedded({ clock });
    await started.node.killThreadForTest();
    await until(() => {
      expect(started.node.status().state).toBe("restarting");
    });
    await started[Symbol.asyncDispose]();
    endPause();
    await expect(started.node.whenRunning(within(PATIENCE_MS))).rejects.toMatchObject(UNAVAILABLE_ERROR);
    expect(started.node.status().state).toBe("stopped");
    expect(started.metrics.backend.restarts).toBe(1);
  });
});

describe("a node whose peers are away", SLOW, () => {
  it("says BACKEND_UNAVAILABLE instead of “nobody knows”", async () => {
    await using gone = await startEmbedded();
    const { addr } = gone;
    await gone[Symbol.asyncDispose]();
    await using started = await startEmbedded({ bootstrap: [addr], ready: false });
    const outcomes = await Promise.allSettled([
      collect(started.node.get(createTestName().name, within(PATIENCE_MS))),
      started.node.retrieve(unknownCid(), within(PATIENCE_MS)),
    ]);
    expect(outcomes).toEqual([UNAVAILABLE, UNAVAILABLE]);
  });

  it("connects again when a configured peer comes back", async () => {
    await using folder = await temporaryFolder();
    // An address of its own, where nobody else takes the port meanwhile.
    const first = await startEmbedded({ dataDir: folder.path, swarmListen: ["/ip4/127.0.0.8/tcp/0"] });
    const { addr } = first;
    await using started = await startEmbedded({ bootstrap: [addr] });
    await first[Symbol.asyncDispose]();
    await until(() => {
      expect(started.node.status().peers).toBe(0);
    }, PATIENCE_MS);
    const listen = addr.slice(0, addr.indexOf("/p2p/"));
    // Only its identity comes back: with its datastore it would remember us and dial us itself.
    await using blank = await temporaryFolder();
    await copyFile(join(folder.path, "node.key"), join(blank.path, "node.key"));
    await using second = await startEmbedded({ dataDir: blank.path, swarmListen: [listen] });
    await until(() => {
      // Each side hears of the connection by itself.
      expect([started.node.status().peers, second.node.status().peers]).toEqual([1, 1]);
    }, PATIENCE_MS);
  });
});

describe("offline", () => {
  it("needs no thread, answers nothing, and says that there is nowhere to put a record", async () => {
    await using started = await startEmbedded({ network: "offline" });
    const { node } = started;
    expect(node.canRoute).toBe(false);
    expect(node.status()).toMatchObject({ state: "running", peers: 0, peerId: undefined });
    const key = createTestName();
    expect(await collect(node.get(key.name, within(1_000)))).toEqual([]);
    expect(await collect(node.findProviders(unknownCid(), { limit: 5, ...within(1_000) }))).toEqual([]);
    expect(
      await node.findPeer("12D3KooWSzRuSFHgLsKr6jJboAPdP7xMga2YBgBspYuErxswcgvt", within(1_000)),
    ).toBeUndefined();
    await node.provide(unknownCid(), within(1_000));
    await expect(node.put(key.name, await makeRecord(key), within(1_000))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });
    await expect(node.retrieve(unknownCid(), within(1_000))).rejects.toMatchObject({
      code: "CONTENT_NOT_FOUND",
    });
  });
});

describe("the public network", SLOW, () => {
  it("starts as a client of the public DHT without any peer", async () => {
    await using started = await startEmbedded({ network: "public" });
    expect(started.node.canRoute).toBe(true);
    expect(await collect(started.node.get(createTestName().name, within(PATIENCE_MS)))).toEqual([]);
  });
});

describe("looking for peers", SLOW, () => {
  it("describes itself, and refuses what is not a peer id", async () => {
    await using started = await startEmbedded();
    await expect(started.node.findPeer("12D3KooWnonsense", within(PATIENCE_MS))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    const self = await started.node.findPeer(started.peerId, within(PATIENCE_MS));
    expect(self?.id).toBe(started.peerId);
    expect(self?.addrs[0]).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/);
    expect(self?.protocols).toContain("transport-bitswap");
  });
});
