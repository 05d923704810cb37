import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Kubo, kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { addFile, pinStatus, waitUntilPinned } from "./support/content.ts";
import {
  expectToBeIn,
  expectToBeRead,
  metricsOf,
  NO_CACHES,
  startInFront,
  vaultIsEmpty,
  type Written,
} from "./support/in-front.ts";
import type { TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

const TIMES = { timeout: 500_000 };
const WAIT_MS = 100_000;
/** Of its own: its ports are to be free when it comes back. */
const host = "127.0.7.1";

async function addSome(node: TestNode): Promise<Written> {
  const files = new Map<string, Uint8Array>();
  for (const size of [100, 3_000, 600_000]) {
    const bytes = randomBytes(size);
    files.set(await addFile(node, bytes), bytes);
  }
  await waitUntilPinned(node, [...files.keys()]);
  return files;
}

/** An empty repository in the place of Kubo's, and all that it should have is in it again. */
async function comesBackInto(kubo: Kubo, node: TestNode, files: Written): Promise<void> {
  await kubo.replaceRepository();
  await until(() => expectToBeIn(kubo, files), WAIT_MS);
  await waitUntilPinned(node, [...files.keys()]);
  await expectToBeRead(node, files);
}

describe.skipIf(!kuboAvailable)("Kubo comes back with an empty repository", () => {
  test(
    "while our vault or our cache has the content: each pin is noticed as lost, and comes back from here",
    TIMES,
    async () => {
      await using kubo = await startKubo({ label: "emptied", host });
      await using node = await startInFront(kubo);
      const files = await addSome(node);
      await comesBackInto(kubo, node, files);
      expect((await metricsOf(node)).pins.lost).toBe(files.size);
      await vaultIsEmpty(node);
      await comesBackInto(kubo, node, files);
      expect((await metricsOf(node)).pins.lost).toBe(2 * files.size);
    },
  );

  test(
    "when nothing is left here: the loss is reported, never silent, and ends when somebody has the content again",
    TIMES,
    async () => {
      await using kubo = await startKubo({ label: "emptied", host });
      await using node = await startInFront(kubo, { env: NO_CACHES });
      const files = await addSome(node);
      await vaultIsEmpty(node);
      await kubo.replaceRepository();
      for (const cid of files.keys()) {
        await until(async () => {
          const { pinned, problem } = await pinStatus(node, cid);
          const lost = expect.stringContaining("lost") as string;
          expect({ pinned, problem }).toEqual({ pinned: false, problem: lost });
        }, WAIT_MS);
      }
      await until(async () => {
        expect((await metricsOf(node)).pins.lost).toBe(files.size);
        expect(node.stderr()).toContain("pins were lost");
      });

      for (const [cid, bytes] of files) expect(await addFile(node, bytes)).toBe(cid);
      await waitUntilPinned(node, [...files.keys()]);
      for (const cid of files.keys())
        expect((await pinStatus(node, cid)).problem ?? "").not.toContain("lost");
      await expectToBeRead(node, files);
      await expectToBeIn(kubo, files);
    },
  );
});
