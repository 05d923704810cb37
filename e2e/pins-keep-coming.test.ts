import { describe, expect, test } from "vitest";
import { authorOf } from "../packages/server/test/support/nostr-authors.ts";
import { type Kubo, kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { BACKENDS } from "./support/backends.ts";
import { pinStatus } from "./support/content.ts";
import { expectToBeRead } from "./support/in-front.ts";
import { startNode } from "./support/start-node.ts";
import { addSmallFiles, announce, confirmedPins } from "./support/wishes.ts";
import { until } from "../packages/server/test/support/until.ts";

const [trusted, other] = [authorOf(7), authorOf(8)];

/** CIDs of which the network believes that this Kubo has them, although nobody does: whoever looks for one waits. */
async function forgottenAt(kubo: Kubo, count: number): Promise<readonly string[]> {
  const files = await addSmallFiles(kubo, count);
  for (const cid of files.keys()) {
    await until(() => kubo.rpc(`routing/provide?arg=${cid}`), 60_000);
    await kubo.rpc(`block/rm?arg=${cid}`);
  }
  return [...files.keys()];
}

describe.skipIf(!kuboAvailable)("R28: what nobody has delays nothing else", () => {
  test.each(BACKENDS)(
    "in %s: one dead CID before 200 good ones of its author, then 20 of one author before 200 of another",
    async (_label, startBackend) => {
      await using provider = await startKubo({ label: "provider" });
      const [first, second] = [await addSmallFiles(provider, 200), await addSmallFiles(provider, 200)];
      await using backend = await startBackend(provider);
      const authors = { HOLDFAST_NOSTR_AUTHORS: `${trusted.pubkey},${other.pubkey}` };
      await using node = await startNode({ env: { ...backend.env, ...authors } });
      const dead = await forgottenAt(provider, 21);
      // An attempt at one of them is given up after two minutes.
      const arePinned = async (count: number): Promise<void> =>
        await until(async () => expect(await confirmedPins(node)).toBe(count), 90_000);

      await announce(node, trusted, [...dead.slice(0, 1), ...first.keys()]);
      await arePinned(200);
      await announce(node, trusted, dead);
      await announce(node, other, [...second.keys()]);
      await arePinned(400);

      for (const cid of dead) expect((await pinStatus(node, cid)).pinned).toBe(false);
      await expectToBeRead(node, new Map([...first, ...second]));
    },
    400_000,
  );
});
