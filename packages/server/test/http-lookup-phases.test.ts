import { HoldfastError } from "@holdfast/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { verifySignature } from "../src/adapters/crypto/verify-signature.ts";
import { HttpRouter } from "../src/adapters/routers/http-router.ts";
import type { ContentRouting } from "../src/content/content-routing.ts";
import { systemClock } from "../src/telemetry/clock.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { ScriptedRouter } from "./support/scripted-router.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";
import { until } from "./support/until.ts";

const timingOf = (answer: Response): string | null => answer.headers.get("server-timing");

function ask(node: TestHttp, name: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${node.url}/api/v0/routing/get?arg=/ipns/${name}`, { headers });
}

describe("the phase of a lookup in the answer's headers", () => {
  it("a cold answer says whether better ones may follow, a held one says nothing of lookups", async () => {
    const [quick, slow] = [new ScriptedRouter("quick"), new ScriptedRouter("slow")];
    slow.manual = true;
    await using node = await startHttp({ routers: [quick, slow] });
    const key = createTestName();
    quick.records.set(key.name.text, [await makeRecord(key)]);
    const first = await ask(node, key.name.text);
    expect(first.headers.get("x-cache-status")).toBe("MISS");
    expect(timingOf(first)).toMatch(/^lookup;desc="first-answer";dur=\d+$/);
    const held = await ask(node, key.name.text);
    expect([held.headers.get("x-cache-status"), timingOf(held)]).toEqual(["HIT", null]);
    slow.gets[0]?.end();
    await until(() => expect(node.records.isLookedUp(key.name)).toBe(false));
    slow.manual = false;
    const asked = await ask(node, key.name.text, { "X-No-Cache": "1" });
    expect(asked.headers.get("x-cache-status")).toBe("BYPASS");
    expect(timingOf(asked)).toMatch(/^lookup;desc="complete";dur=\d+$/);
  });

  it("a miss says whether all were heard, were not in time, or were asked a moment ago", async () => {
    const router = new ScriptedRouter();
    await using node = await startHttp({ routers: [router] });
    const { name } = createTestName();
    const miss = await ask(node, name.text);
    expect([miss.status, timingOf(miss)]).toEqual([404, expect.stringMatching(/^lookup;desc="complete"/)]);
    const again = await ask(node, name.text);
    expect([again.status, timingOf(again)]).toEqual([
      404,
      expect.stringMatching(/^lookup;desc="known-absent"/),
    ]);
    router.manual = true;
    const slow = fetch(`${node.url}/routing/v1/ipns/${createTestName().name.text}`);
    await until(() => expect(router.gets).toHaveLength(1));
    await node.clock.advance(5_000);
    expect(timingOf(await slow)).toBe('lookup;desc="over-budget";dur=5000');
  });

  it("a miss says so when nobody could be asked", async () => {
    const router = new ScriptedRouter();
    router.unavailable = new HoldfastError("BACKEND_UNAVAILABLE", "down");
    for (const routers of [[router], []]) {
      await using node = await startHttp({ routers });
      const { name } = createTestName();
      for (const headers of [{}, { "X-No-Cache": "1" }]) {
        const miss = await ask(node, name.text, headers);
        expect([miss.status, timingOf(miss)]).toEqual([404, expect.stringMatching(/^lookup;desc="failed"/)]);
      }
    }
  });

  it("P5: a name published while it is known as absent is there for the next read", async () => {
    await using node = await startHttp({ routers: [new ScriptedRouter()] });
    const key = createTestName();
    const get = (): Promise<Response> => fetch(`${node.url}/routing/v1/ipns/${key.name.text}`);
    const miss = await get();
    expect(miss.headers.get("cache-control")).toBe("public, max-age=15");
    expect(await miss.text()).toContain("not found");
    await node.records.publish(key.name, await makeRecord(key), { origin: "client" });
    expect((await get()).headers.get("content-type")).toBe("application/vnd.ipfs.ipns-record");
  });
});

describe("two nodes that have each other as routers", () => {
  async function startPair() {
    const http = { clock: systemClock, verifySignature };
    const routers: [HttpRouter[], HttpRouter[]] = [[], []];
    // Whoever waits for itself waits for longer than a test has.
    const recordsOptions = { firstAnswerMs: 60_000, budgetMs: 60_000 };
    const options = { recordsParts: { clock: systemClock, timers: systemClock }, recordsOptions };
    // Each gets its router once the other one's port is known.
    const nodes = await Promise.all(
      routers.map((list) => startHttp({ ...options, routers: [lazily(list)] })),
    );
    const [a, b] = nodes;
    if (a === undefined || b === undefined) throw new Error("no nodes");
    routers[0].push(new HttpRouter(http, { baseUrl: b.url }));
    routers[1].push(new HttpRouter(http, { baseUrl: a.url }));
    onTestFinished(async () => {
      await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()]);
    });
    return { a, b };
  }

  it("do not wait for each other when neither knows a name, and a refusal to go round is not cached", async () => {
    const { a } = await startPair();
    const miss = await ask(a, createTestName().name.text);
    expect([miss.status, timingOf(miss)]).toEqual([404, expect.stringMatching(/^lookup;desc="complete"/)]);

    const router = new ScriptedRouter();
    router.manual = true;
    await using node = await startHttp({ routers: [router] });
    const { name } = createTestName();
    const waiting = ask(node, name.text);
    await until(() => expect(router.gets).toHaveLength(1));
    const url = `${node.url}/routing/v1/ipns/${name.text}`;
    const looped = await fetch(url, { headers: { "CDN-Loop": "other; x=1, holdfast" } });
    expect([looped.status, looped.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(looped.headers.get("content-type")).toContain("text/plain");
    router.gets[0]?.end();
    await waiting;
  });

  it("give each other what they hold", async () => {
    const { a, b } = await startPair();
    const key = createTestName();
    await b.records.publish(key.name, await makeRecord(key, { sequence: 3n }), { origin: "client" });
    const found = await ask(a, key.name.text);
    expect([found.status, found.headers.get("x-ipns-sequence")]).toEqual([200, "3"]);
  });
});

/** The first router of a list that is filled later. */
function lazily(list: readonly HttpRouter[]) {
  const only = (): HttpRouter => {
    const [router] = list;
    if (router === undefined) throw new Error("not yet");
    return router;
  };
  return {
    label: "other",
    get: (...args: Parameters<HttpRouter["get"]>) => only().get(...args),
    put: (...args: Parameters<HttpRouter["put"]>) => only().put(...args),
  };
}

it("a question about content from another Holdfast is not passed on to routers: it could go round for ever", async () => {
  const asked: string[] = [];
  const routing = (label: string): ContentRouting => ({
    async *findProviders() {
      asked.push(label);
      yield* [];
    },
    findPeer: () => {
      asked.push(label);
      return Promise.resolve(undefined);
    },
    provide: () => Promise.resolve(),
  });
  await using node = await startHttp({ contentRouting: routing("all"), nearRouting: routing("near") });
  const cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
  for (const headers of [
    {},
    { "CDN-Loop": "holdfast" },
    { "CDN-Loop": "other, holdfast; a=b" },
    { "CDN-Loop": "holdfaster" },
  ])
    await fetch(`${node.url}/routing/v1/providers/${cid}`, { headers });
  expect(asked).toEqual(["all", "near", "near", "all"]);
});
