import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Finding } from "../src/doctor/find-problems.ts";
import { StartCheck } from "../src/doctor/start-check.ts";
import type { KuboAnswers } from "../src/doctor/kubo-facts.ts";
import { healthyAnswers } from "./support/doctor-facts.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { startAdmin } from "./support/start-http.ts";
import { kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const GC_ON = ["ipfs", "daemon", "--enable-gc"];
const NEARLY_FULL = {
  RepoSize: 99_000_000_000,
  StorageMax: 100_000_000_000,
  NumObjects: 0,
  RepoPath: "",
  Version: "",
};

/** Answers as Kubo does; undefined: 500. */
async function startFakeKubo(first: KuboAnswers | undefined) {
  const kubo = { answers: first, asked: 0 };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    if (pathname === "/api/v0/version") kubo.asked++;
    const { answers } = kubo;
    if (answers === undefined) return void response.writeHead(500).end();
    const texts: Readonly<Record<string, string>> = {
      "/api/v0/version": JSON.stringify(answers.version),
      "/api/v0/repo/stat": JSON.stringify(answers.repoStat),
      "/api/v0/config/show": JSON.stringify(answers.config),
      "/api/v0/id": JSON.stringify(answers.id),
      "/api/v0/swarm/peers": JSON.stringify(answers.peers),
      "/debug/pprof/cmdline": answers.commandLine?.join("\0") ?? "",
    };
    response.end(texts[pathname] ?? "404");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(kubo, { url: `http://127.0.0.1:${port}` });
}

function startCheck(rpcUrl: string) {
  const clock = new ManualClock();
  const found: Finding[] = [];
  const check = new StartCheck({ timers: clock, onFound: (finding) => found.push(finding) }, { rpcUrl });
  onTestFinished(() => check[Symbol.asyncDispose]());
  return { clock, check, found };
}

describe("R34: the look at the Kubo behind us", () => {
  test("GC with a limit that the repo reaches is said once and stays among the warnings until it is mended", async () => {
    const kubo = await startFakeKubo(healthyAnswers({}, { repoStat: NEARLY_FULL, commandLine: GC_ON }));
    const { clock, check, found } = startCheck(kubo.url);
    await until(() => expect(found).toHaveLength(1));
    expect(found[0]).toMatchObject({ id: "gc-storage-max", severity: "critical" });
    expect(check.warnings()).toEqual([
      {
        id: "gc-storage-max",
        severity: "critical",
        is: expect.stringContaining("GC is on") as string,
        mend: expect.arrayContaining(["ipfs config Datastore.StorageMax 198GB"]) as string[],
      },
    ]);
    await clock.advance(600_000);
    await until(() => expect(kubo.asked).toBe(2));
    kubo.answers = healthyAnswers();
    await until(async () => {
      await clock.advance(600_000);
      expect(check.warnings()).toEqual([]);
    });
    expect(found).toHaveLength(1);
  });

  test("what only could be better is not said here", async () => {
    const kubo = await startFakeKubo(healthyAnswers({ Ipns: {}, Routing: { AcceleratedDHTClient: false } }));
    const { clock, check } = startCheck(kubo.url);
    await until(async () => {
      await clock.advance(600_000);
      expect(kubo.asked).toBeGreaterThan(1);
    });
    expect(check.warnings()).toEqual([]);
  });

  test("a Kubo that is away is asked again until it answers, and holds up neither the start nor the stop", async () => {
    const kubo = await startFakeKubo(undefined);
    const { clock, check, found } = startCheck(kubo.url);
    await until(() => expect(kubo.asked).toBe(1));
    kubo.answers = healthyAnswers({}, { repoStat: NEARLY_FULL, commandLine: GC_ON });
    await until(async () => {
      await clock.advance(10_000);
      expect(found).toHaveLength(1);
    });
    await check[Symbol.asyncDispose]();
  });

  test("is shown by /ready as warnings, which are no reason for 503", async () => {
    const warning = { id: "gc-storage-max", severity: "critical", is: "GC is on", mend: [] };
    await using admin = await startAdmin({ warnings: () => [warning] });
    const answer = await fetch(`${admin.url}/ready`);
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { status: "ready", reasons: [], warnings: [warning] },
    ]);
  });

  describe.skipIf(!kuboAvailable)("with a real Kubo", { timeout: 120_000 }, () => {
    test("a StorageMax below the repo is found though GC is off for now, and the open origin with it", async () => {
      await using kubo = await startKubo({
        label: "check",
        config: {
          Datastore: { StorageMax: "10kB" },
          API: { HTTPHeaders: { "Access-Control-Allow-Origin": ["*"] } },
        },
      });
      const { clock, check, found } = startCheck(kubo.apiUrl);
      await until(async () => {
        await clock.advance(10_000);
        expect(found).toHaveLength(2);
      }, 60_000);
      expect(
        check
          .warnings()
          .map(({ id }) => id)
          .sort(),
      ).toEqual(["gc-storage-max", "rpc-any-origin"]);
    });
  });
});
