import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { kuboAvailable, startKubo } from "../packages/server/test/support/start-kubo.ts";
import { startRouterServer } from "../packages/server/test/support/router-server.ts";
import { createPublisher, getRecord, putRecord, sequenceOf } from "./support/names.ts";
import { runCli, startNode, type TestNode, temporaryFolder } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

interface RouterView {
  readonly label: string;
  readonly failures: number;
  readonly lies: { readonly older: number; readonly expired: number; readonly invalid: number };
  readonly breaker: string;
  readonly score: number;
}

async function routersOf(node: TestNode): Promise<Readonly<Record<string, RouterView>>> {
  const answer = await fetch(`${node.adminUrl}/admin/routers`);
  const { routers } = (await answer.json()) as { routers: RouterView[] };
  return Object.fromEntries(routers.map((router) => [router.label, router]));
}

const WAIT_MS = 45_000;
const VALUE = "/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

describe.skipIf(!kuboAvailable)("a node that has only HTTP routers: a Kubo, a dead one and a liar", () => {
  test("P1: names of the Kubo resolve, records put here arrive there, and the others are seen for what they are", async () => {
    await using kubo = await startKubo({ label: "router", config: { Gateway: { ExposeRoutingAPI: true } } });
    await using dead = await startRouterServer("silent");
    await using liar = await startRouterServer();
    await using folder = await temporaryFolder();
    const warmFile = join(folder.path, "warm.txt");
    await writeFile(warmFile, "# nothing yet\n");
    const [kuboLabel, deadLabel, liarLabel] = [kubo.gatewayUrl, dead.url, liar.url].map(
      (url) => new URL(url).host,
    );
    await using node = await startNode({
      env: {
        HOLDFAST_NETWORK: "offline",
        HOLDFAST_ROUTERS: `${kubo.gatewayUrl},${dead.url};read,${liar.url};read`,
        HOLDFAST_WARM_NAMES: warmFile,
      },
    });
    // A record that is not of the name: what the liar says to everything.
    liar.records.set("*", await createPublisher().record(VALUE, 99n));

    const tookMs: number[] = [];
    for (let i = 0; i < 4; i++) {
      const publisher = createPublisher();
      const record = await publisher.record(VALUE, 5n);
      await kubo.routingPut(publisher.name.text, record);
      const read = await getRecord(node.publicUrl, publisher.name.text);
      expect([read.status, sequenceOf(read), read.headers.get("x-cache-status")]).toEqual([200, "5", "MISS"]);
      tookMs.push(read.tookMs);
    }
    // One of them at least: each would take 5 s and more if it waited for the dead one.
    expect(Math.min(...tookMs)).toBeLessThan(2_500);
    await until(async () => {
      const routers = await routersOf(node);
      expect(routers[liarLabel ?? ""]).toMatchObject({ breaker: expect.stringMatching(/open$/) as string });
      expect(routers[deadLabel ?? ""]).toMatchObject({ breaker: expect.stringMatching(/open$/) as string });
      expect(routers[kuboLabel ?? ""]).toMatchObject({ breaker: "closed", failures: 0 });
      expect(routers[liarLabel ?? ""]?.lies.invalid).toBeGreaterThanOrEqual(3);
    }, WAIT_MS);

    const mine = createPublisher();
    expect((await putRecord(node.publicUrl, mine.name, await mine.record(VALUE, 1n))).status).toBe(200);
    await until(async () => expect(await kubo.routingGet(mine.name.text)).toBeDefined(), WAIT_MS);

    const args = ["doctor", "--name", mine.name.text, "--node", node.adminUrl];
    const said: unknown = await runCli(args, { cwd: folder.path }).catch((err: unknown) => err);
    const { code, stdout } = said as { readonly code: number; readonly stdout: string };
    expect(code).toBe(1);
    expect(stdout).toContain(`memory, disk and ${kuboLabel ?? ""} give it.`);
    expect(stdout).toMatch(new RegExp(`^! {2}${liarLabel ?? ""} +invalid`, "m"));
    expect(stdout).toContain(`${deadLabel ?? ""} said nothing within`);

    // A warm name is held though nobody has read it.
    const warm = createPublisher();
    await kubo.routingPut(warm.name.text, await warm.record(VALUE, 7n));
    await writeFile(warmFile, `${warm.name.text}\n`);
    await until(async () => {
      const read = await fetch(`${node.adminUrl}/routing-get?arg=${warm.name.text}`);
      expect([read.status, read.headers.get("x-ipns-sequence")]).toEqual([200, "7"]);
    }, WAIT_MS);
  }, 240_000);
});
