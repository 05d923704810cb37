import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Kubo, kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { createPublisher, putRecord } from "./support/names.ts";
import { runCli, startNode, temporaryFolder, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

/** A name with it is asked for again about once a second. */
const TTL_MS = 1_000;
const WAIT_MS = 60_000;

/** Asked at Kubo itself. */
async function isPinnedIn(kubo: Kubo, cid: string): Promise<boolean> {
  try {
    await kubo.rpc(`pin/ls?arg=${cid}&type=recursive`);
    return true;
  } catch {
    return false;
  }
}

const pinnedIn = (kubo: Kubo, cids: readonly string[]): Promise<readonly boolean[]> =>
  Promise.all(cids.map((cid) => isPinnedIn(kubo, cid)));

interface FollowedName {
  readonly versions: readonly { readonly cid: string; readonly state?: string }[];
}

async function followed(node: TestNode, name: string): Promise<FollowedName> {
  return (await (await fetch(`${node.adminUrl}/admin/follow/${name}`)).json()) as FollowedName;
}

/** Killed before it knows of a pin, a node takes it for somebody else's, and never ends it (R33). */
async function expectToKnowOfPin(node: TestNode, name: string, cid: string | undefined): Promise<void> {
  const [newest] = (await followed(node, name)).versions;
  expect(newest?.cid).toBe(cid);
  expect(["pinned", "provided"]).toContain(newest?.state);
}

describe.skipIf(!kuboAvailable)("a name is followed, in front of a real Kubo", () => {
  test(
    "R32: three versions, two are kept; we are killed with -9 in between and miss nothing",
    { timeout: 500_000 },
    async () => {
      await using publisherKubo = await startKubo({ label: "publisher" });
      await using keeper = await startKubo({ label: "keeper", peers: [publisherKubo.addr] });
      await using folder = await temporaryFolder();
      const start = (): Promise<TestNode> =>
        startNode({
          dataDir: folder.path,
          env: { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: keeper.apiUrl },
        });
      const cli = (node: TestNode, ...args: readonly string[]): Promise<string> =>
        runCli(["pin", ...args, "--admin", node.adminUrl], { cwd: folder.path });
      const versions: string[] = [];
      for (let i = 0; i < 3; i++) versions.push(await publisherKubo.add(randomBytes(300_000)));
      const publisher = createPublisher();
      const name = publisher.name.text;
      const recordOf = (version: number): Promise<Uint8Array> =>
        publisher.record(`/ipfs/${versions[version] ?? ""}`, BigInt(version), { ttlMs: TTL_MS });
      const publish = async (version: number): Promise<void> => {
        await publisherKubo.routingPut(name, await recordOf(version));
      };

      await publish(0);
      {
        await using node = await start();
        expect(await cli(node, "follow", `/ipns/${name}`, "--keep", "2")).toContain(
          `${name}  keeps 2  (admin)`,
        );
        await until(async () => {
          expect(await pinnedIn(keeper, versions)).toEqual([true, false, false]);
          await expectToKnowOfPin(node, name, versions[0]);
        }, WAIT_MS);
        await node.stop("SIGKILL");
      }
      await publish(1);
      {
        await using node = await start();
        await until(async () => {
          expect(await pinnedIn(keeper, versions)).toEqual([true, true, false]);
          await expectToKnowOfPin(node, name, versions[1]);
        }, WAIT_MS);
        // What it points to from now on does not come before we are killed, nor while Kubo works on for who is gone.
        publisherKubo.freeze();
        expect((await putRecord(node.publicUrl, publisher.name, await recordOf(2))).status).toBe(200);
        await until(
          async () => expect((await followed(node, name)).versions[0]?.cid).toBe(versions[2]),
          WAIT_MS,
        );
        await node.stop("SIGKILL");
      }
      await using node = await start();
      publisherKubo.thaw();
      await until(async () => expect(await pinnedIn(keeper, versions)).toEqual([false, true, true]), WAIT_MS);
      await until(async () => {
        const { versions: kept } = await followed(node, name);
        expect(kept.map(({ cid }) => cid)).toEqual([versions[2], versions[1]]);
      }, WAIT_MS);
      expect(await cli(node, "ls", "--source", "follow")).toContain(versions[2]);
      expect(await cli(node, "unfollow", name)).toContain("is not followed any more");
      await until(
        async () => expect(await pinnedIn(keeper, versions)).toEqual([false, false, false]),
        WAIT_MS,
      );
    },
  );

  test(
    "a pin list is taken up as it changes, and holdfast pin add waits for a pin that pin rm ends",
    { timeout: 300_000 },
    async () => {
      await using publisherKubo = await startKubo({ label: "publisher" });
      await using keeper = await startKubo({ label: "keeper", peers: [publisherKubo.addr] });
      await using folder = await temporaryFolder();
      const cids: string[] = [];
      for (let i = 0; i < 3; i++) cids.push(await publisherKubo.add(randomBytes(100_000)));
      const [first = "", second = "", third = ""] = cids;
      const list = join(folder.path, "pins.txt");
      const write = async (text: string): Promise<void> => {
        await writeFile(`${list}.new`, text);
        await rename(`${list}.new`, list);
      };
      await write(`# ours\n${first}\n`);
      await using node = await startNode({
        dataDir: folder.path,
        env: { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: keeper.apiUrl, PIN_LIST: list },
      });
      await until(async () => expect(await pinnedIn(keeper, cids)).toEqual([true, false, false]), WAIT_MS);
      await write(`${first}\n/ipfs/${second}\n`);
      await until(async () => expect(await pinnedIn(keeper, cids)).toEqual([true, true, false]), WAIT_MS);
      const output = await runCli(
        ["pin", "add", third, "--name", "third", "--wait", "--admin", node.adminUrl],
        {
          cwd: folder.path,
        },
      );
      expect(output).toMatch(new RegExp(`${third} {2}(pinned|provided)`));
      expect(await isPinnedIn(keeper, third)).toBe(true);
      const status = await runCli(["pin", "status", third, "--json", "--admin", node.adminUrl], {
        cwd: folder.path,
      });
      expect(JSON.parse(status)).toMatchObject({ cid: third, name: "third", source: "pin-add" });
      const removed = await runCli(["pin", "rm", third, "--admin", node.adminUrl], { cwd: folder.path });
      expect(removed).toBe(`${third}  is not wanted here any more\n`);
      await until(async () => expect(await isPinnedIn(keeper, third)).toBe(false), WAIT_MS);
    },
  );
});
