import { HoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import type { ContentRouting, RoutedPeer } from "./content-routing.ts";
import { RoutingSources, type SourceHealth } from "./routing-sources.ts";
import { until } from "../../test/support/until.ts";

const CID_1 = CID.parse("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
const signal = new AbortController().signal;
const peer = (id: string): RoutedPeer => ({ id, addrs: [], protocols: [] });

/** Gives some peers, then ends, waits for the signal, or fails. */
function source(peers: readonly string[], end: "ends" | "silent" | Error = "ends") {
  const asked: AbortSignal[] = [];
  const provided: CID[] = [];
  const settle = async (given: AbortSignal): Promise<void> => {
    asked.push(given);
    if (end instanceof Error) throw end;
    if (end === "silent" && !given.aborted)
      await new Promise((resolve) => given.addEventListener("abort", resolve));
  };
  const routing: ContentRouting = {
    async *findProviders(_cid, { signal: given }) {
      for (const id of peers) yield peer(id);
      await settle(given);
    },
    async findPeer(id, { signal: given }) {
      if (peers.includes(id)) return peer(id);
      await settle(given);
      return undefined;
    },
    async provide(cid) {
      provided.push(cid);
      return Promise.resolve();
    },
  };
  return { routing, asked, provided };
}

function watched() {
  const outcomes: string[] = [];
  const health: SourceHealth & { isOpen: boolean } = {
    isOpen: false,
    admit: () =>
      health.isOpen
        ? undefined
        : {
            ended: (verdict) => outcomes.push(verdict),
            failed: () => outcomes.push("failed"),
            undecided: () => outcomes.push("undecided"),
          },
  };
  return { health, outcomes };
}

async function ids(routing: ContentRouting, limit = 100, given = signal): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of routing.findProviders(CID_1, { limit, signal: given })) found.push(id);
  return found;
}

const down = new HoldfastError("BACKEND_UNAVAILABLE", "down");

test("all are asked, and each peer is given once", async () => {
  const clock = new ManualClock();
  const sources = [source(["a", "b"]), source(["b", "c"]), source([], down)];
  const all = new RoutingSources({ sources, clock });
  expect((await ids(all)).sort()).toEqual(["a", "b", "c"]);
  expect(await ids(all, 2)).toHaveLength(2);
});

test("what one gives comes at once though another one is silent, and leaving ends them all", async () => {
  const clock = new ManualClock();
  const [quick, silent] = [source(["a"]), source([], "silent")];
  const { health, outcomes } = watched();
  const all = new RoutingSources({ sources: [quick, { ...silent, health }], clock });
  for await (const { id } of all.findProviders(CID_1, { limit: 9, signal })) {
    expect(id).toBe("a");
    break;
  }
  await until(() => expect(silent.asked[0]?.aborted).toBe(true));
  // That we left says nothing about it.
  await until(() => expect(outcomes).toEqual(["undecided"]));
  expect(await all.findPeer("a", { signal })).toEqual(peer("a"));
});

test("a silent one is given up after its time, and is known to have failed", async () => {
  const clock = new ManualClock();
  const { health, outcomes } = watched();
  const all = new RoutingSources({
    sources: [source(["a"]), { ...source([], "silent"), health, msMax: 5_000 }],
    clock,
  });
  const finding = ids(all);
  await clock.advance(5_000);
  expect(await finding).toEqual(["a"]);
  expect(outcomes).toEqual(["failed"]);
});

test("one that gave peers has not failed when its time ends it, and one that is left alone is not asked", async () => {
  const clock = new ManualClock();
  const { health, outcomes } = watched();
  const slow = source(["x"], "silent");
  const all = new RoutingSources({ sources: [{ ...slow, health, msMax: 5_000 }], clock });
  const finding = ids(all);
  await clock.advance(5_000);
  expect(await finding).toEqual(["x"]);
  expect(outcomes).toEqual(["found"]);
  health.isOpen = true;
  expect(await ids(all)).toEqual([]);
  expect(slow.asked).toHaveLength(1);
});

test("only when all who were asked failed is it a failure", async () => {
  const clock = new ManualClock();
  const { health } = watched();
  health.isOpen = true;
  const skipped = { ...source([]), health };
  const failing = new RoutingSources({ sources: [source([], down), skipped, source([], down)], clock });
  await expect(ids(failing)).rejects.toBe(down);
  await expect(failing.findPeer("a", { signal })).rejects.toBe(down);
  const mixed = new RoutingSources({ sources: [source([], down), source([])], clock });
  expect(await ids(mixed)).toEqual([]);
  expect(await mixed.findPeer("a", { signal })).toBeUndefined();
});

test("an abort ends it quietly", async () => {
  const clock = new ManualClock();
  const all = new RoutingSources({ sources: [source([], "silent")], clock });
  const leaving = new AbortController();
  const [finding, peering] = [ids(all, 9, leaving.signal), all.findPeer("a", { signal: leaving.signal })];
  leaving.abort();
  expect([await finding, await peering]).toEqual([[], undefined]);
});

test("what is provided is told to all", async () => {
  const sources = [source([]), source([])];
  await new RoutingSources({ sources, clock: new ManualClock() }).provide(CID_1, { signal });
  expect(sources.map(({ provided }) => provided)).toEqual([[CID_1], [CID_1]]);
});
