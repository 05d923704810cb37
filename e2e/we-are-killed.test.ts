import { compareRecords, decodeRecord } from "@holdfast/core";
import { expect, test } from "vitest";
import { createPublisher, getRecord, type Publisher, putRecord } from "./support/names.ts";
import { startNode, temporaryFolder } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

const VALUE = "/ipfs/bafkqaaa";

/**
 * Puts with `writers` at once, each to its own names, until told to stop or the node is gone. Remembers what was
 * acknowledged with 200, and nothing else.
 */
function write(url: string, options: { readonly perSecond: number }) {
  const acknowledged = new Map<string, { publisher: Publisher; record: Uint8Array }>();
  let stopped = false;
  const periodMs = 1000 / options.perSecond;
  const inFlight = new Set<Promise<void>>();
  const publishers = Array.from({ length: 50 }, () => ({ publisher: createPublisher(), sequence: 0n }));
  const loop = (async () => {
    let nextAtMs = performance.now();
    for (let i = 0; !stopped; i++) {
      const slot = publishers[i % publishers.length];
      if (slot === undefined) throw new Error("no publisher");
      const record = await slot.publisher.record(VALUE, slot.sequence++);
      const put = putRecord(url, slot.publisher.name, record)
        .then(async (answer) => {
          await answer.arrayBuffer();
          if (answer.status !== 200) return;
          const known = acknowledged.get(slot.publisher.name.text);
          if (known === undefined || compareRecords(decodeRecord(record), decodeRecord(known.record)) > 0) {
            acknowledged.set(slot.publisher.name.text, { publisher: slot.publisher, record });
          }
        })
        .catch(() => {
          // The node was killed before it answered: nothing was promised.
        })
        .finally(() => inFlight.delete(put));
      inFlight.add(put);
      nextAtMs += periodMs;
      // Also when it is late: the answers have to have their turn on this thread.
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextAtMs - performance.now())));
    }
    await Promise.all(inFlight);
  })();
  return {
    acknowledged,
    stop: async () => {
      stopped = true;
      await loop;
    },
  };
}

test.each([["SIGKILL" as const], ["SIGTERM" as const]])(
  "%s under 200 writes a second: every acknowledged record is there after the restart",
  { timeout: 150_000 },
  async (signal) => {
    await using folder = await temporaryFolder();
    const env = { HOLDFAST_NETWORK: "offline" };
    const node = await startNode({ dataDir: folder.path, env });
    const writer = write(node.publicUrl, { perSecond: 200 });
    await until(() => expect(writer.acknowledged.size).toBe(50), 45_000);
    // Well into the stream, at no particular moment of it.
    await new Promise((resolve) => setTimeout(resolve, 700 + Math.random() * 300));
    const stopStartedAtMs = performance.now();
    const exitCode = await node.stop(signal);
    expect(exitCode).toBe(signal === "SIGTERM" ? 0 : null);
    // What does not end by itself is cut off after 8 s.
    expect(performance.now() - stopStartedAtMs).toBeLessThan(30_000);
    await writer.stop();
    expect(writer.acknowledged.size).toBe(50);

    await using again = await startNode({ dataDir: folder.path, env });
    for (const { publisher, record } of writer.acknowledged.values()) {
      const read = await getRecord(again.publicUrl, publisher.name.text);
      expect(read.status).toBe(200);
      // A put that was stored but not yet acknowledged may have won; an older one may not.
      expect(compareRecords(decodeRecord(read.bytes), decodeRecord(record))).toBeGreaterThanOrEqual(0);
    }
  },
);

test("a second process on the same data folder refuses to start, and the first goes on", async () => {
  await using folder = await temporaryFolder();
  await using node = await startNode({ dataDir: folder.path, env: { HOLDFAST_NETWORK: "offline" } });
  await expect(startNode({ dataDir: folder.path, env: { HOLDFAST_NETWORK: "offline" } })).rejects.toThrow(
    "did not become ready",
  );
  expect((await fetch(`${node.publicUrl}/health`)).status).toBe(200);
}, 120_000);
