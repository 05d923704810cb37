import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { authorOf } from "../packages/server/test/support/nostr-authors.ts";
import { kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { BACKENDS } from "./support/backends.ts";
import { expectToBeRead, metricsOf } from "./support/in-front.ts";
import { startNode, temporaryFolder } from "./support/start-node.ts";
import { addSmallFiles, announce, confirmedPins, listPins, pinsByState, rawCidOf } from "./support/wishes.ts";
import { until } from "../packages/server/test/support/until.ts";

const author = authorOf(7);
const AUTHORS = { HOLDFAST_NOSTR_AUTHORS: author.pubkey };
/** Where no Kubo listens. */
const NO_KUBO = { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: "http://127.0.0.1:9" };

test("R28: 100,000 entries wait for a Kubo that is away: all survive kill -9, in their order", async () => {
  const wanted = await Promise.all(Array.from({ length: 100_000 }, () => rawCidOf(randomBytes(16))));
  await using folder = await temporaryFolder();
  const options = { dataDir: folder.path, env: { ...AUTHORS, ...NO_KUBO } };
  {
    await using node = await startNode(options);
    await announce(node, author, wanted);
    expect(await pinsByState(node)).toEqual({ queued: 100_000 });
    await node.stop("SIGKILL");
  }
  await using node = await startNode(options);
  expect(await pinsByState(node)).toEqual({ queued: 100_000 });
  // Not by toEqual: it would print them all.
  expect((await listPins(node)).join("\n") === wanted.join("\n")).toBe(true);
}, 300_000);

describe.skipIf(!kuboAvailable)("R28: kill -9 in the middle of pinning 500", () => {
  test.each(BACKENDS)(
    "in %s: all end pinned, each once",
    async (_label, startBackend) => {
      await using provider = await startKubo({ label: "provider" });
      const files = await addSmallFiles(provider, 500);
      await using backend = await startBackend(provider);
      await using folder = await temporaryFolder();
      const env = { ...backend.env, ...AUTHORS };
      let pinnedBefore: number;
      {
        // All of them would take 25 s: it is killed long before, even when we come late.
        const slowly = { ...env, HOLDFAST_PINS_PER_SECOND_MAX: "20" };
        await using node = await startNode({ dataDir: folder.path, env: slowly });
        await announce(node, author, [...files.keys()]);
        await until(async () => expect(await confirmedPins(node)).toBeGreaterThan(50), 100_000);
        pinnedBefore = await confirmedPins(node);
        await node.stop("SIGKILL");
      }
      await using node = await startNode({ dataDir: folder.path, env });
      await until(async () => expect(await confirmedPins(node)).toBe(500), 150_000);
      const { pinned, lost } = (await metricsOf(node)).pins;
      expect(lost).toBe(0);
      expect(pinned).toBeGreaterThan(0);
      expect(pinned + pinnedBefore).toBeLessThanOrEqual(500);
      const wanted = [...files.keys()].toSorted();
      const listed = await listPins(node);
      expect(listed.toSorted()).toEqual(wanted);
      const kept = (await backend.pinned?.()) ?? listed;
      expect(kept.toSorted()).toEqual(wanted);
      await expectToBeRead(node, files);
    },
    400_000,
  );
});
