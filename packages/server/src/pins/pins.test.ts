import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import { blockOf } from "../../test/support/blocks.ts";
import { createPins, requestOf, type TestPins } from "../../test/support/create-pins.ts";
import { fails, hangs } from "../../test/support/scripted-pinner.ts";
import { pinKeyOf } from "./pin-key.ts";
import { until } from "../../test/support/until.ts";

const DAY_MS = 86_400_000;
const never = new AbortController().signal;

const rootOf = (text: string): CID => blockOf(text).cid;
const textOf = (root: CID): string => root.toString();

const nostr = (text: string, holder: string, priority = 0) =>
  requestOf(text, { source: "nostr", holder, priority });

/** Of the pinner, by the texts that the test gave. */
function attemptsOf({ pinner }: TestPins, texts: readonly string[]): string[] {
  const byRoot = new Map(texts.map((text) => [textOf(rootOf(text)), text]));
  return pinner.attempts.map((root) => byRoot.get(textOf(root)) ?? textOf(root));
}

async function startWith(
  settings: Parameters<typeof createPins>[0],
  ...requests: Parameters<TestPins["pins"]["add"]>[0][number][]
): Promise<TestPins> {
  const room = createPins(settings);
  await room.pins.add(requests);
  room.pins.start();
  await room.clock.advance(0);
  return room;
}

describe("a wish", () => {
  test("is pinned at the backend, and everybody who waits or listens hears of it once", async () => {
    const room = createPins();
    const { pins, clock, metrics } = room;
    const heard: string[] = [];
    pins.onPinned(({ root, state }) => heard.push(`${textOf(root)} ${state}`));
    pins.start();
    const waiting = pins.waitFor(rootOf("a"), "pinned", { signal: never });
    expect(await waiting).toBeUndefined();
    await pins.add([nostr("a", "x")]);
    const reached = pins.waitFor(rootOf("a"), "pinned", { signal: never });
    await clock.advance(0);
    expect((await reached)?.state).toBe("pinned");
    expect(heard).toEqual([`${textOf(rootOf("a"))} pinned`]);
    expect(await pins.isPinned(rootOf("a"))).toBe(true);
    expect(metrics.pins).toMatchObject({ added: 1, pinned: 1 });
  });

  test("for what is a pin already is no second attempt", async () => {
    const room = await startWith({}, nostr("a", "x"));
    await room.pins.add([nostr("a", "y"), requestOf("a", { source: "pin-add" })]);
    await room.clock.advance(60_000);
    expect(room.pinner.attempts).toHaveLength(1);
    expect(room.pins.claims(rootOf("a"))).toHaveLength(3);
  });

  test("over the bound on what waits is refused, and content that is here is not", async () => {
    const room = createPins({ options: { queuedMax: 2 } });
    await room.pins.add([nostr("a", "x"), nostr("b", "x")]);
    await expect(room.pins.add([nostr("c", "x")])).rejects.toMatchObject({ code: "OVERLOADED" });
    await room.pins.add([requestOf("d", { isStored: true })]);
    expect(room.pins.get(rootOf("c"))).toBeUndefined();
  });
});

describe("an attempt", () => {
  test("may take any time while blocks come, and is given up when none has come for too long", async () => {
    const room = createPins();
    const { pins, pinner, clock } = room;
    let report: (blocks: number) => void = () => undefined;
    pinner.script(rootOf("a"), (root, options) => {
      report = (blocks) => options.onProgress?.({ blocks, bytes: undefined });
      return hangs(root, options);
    });
    await pins.add([nostr("a", "x")]);
    pins.start();
    for (let blocks = 1; blocks <= 20; blocks++) {
      await clock.advance(100_000);
      report(blocks);
    }
    expect(pins.view(rootOf("a"))).toMatchObject({ stage: "pinning", progress: { blocks: 20 } });
    await clock.advance(60_000);
    report(20);
    await clock.advance(59_000);
    expect(pins.view(rootOf("a"))).toMatchObject({ stage: "pinning" });
    await clock.advance(1_500);
    expect(pins.view(rootOf("a"))).toMatchObject({
      stage: "failed",
      progress: undefined,
      pin: { attempts: 1, problem: "no new block for 120 s" },
    });
  });

  test("that brings more than a wish may is given up for good, and unpinned if it was told too late", async () => {
    const room = createPins({ options: { pinBytesMax: 1_000 } });
    room.pinner.script(rootOf("a"), (root, options) => {
      options.onProgress?.({ blocks: 1, bytes: 999 });
      options.onProgress?.({ blocks: 2, bytes: 1_001 });
      return hangs(root, options);
    });
    room.pinner.script(rootOf("b"), () => Promise.resolve({ blocks: 9, bytes: 5_000 }));
    room.pinner.script(rootOf("ours"), () => Promise.resolve({ blocks: 9, bytes: 5_000 }));
    await room.pins.add([nostr("a", "x"), nostr("b", "x"), requestOf("ours", { isStored: true })]);
    room.pins.start();
    await room.clock.advance(0);
    const problem = "the content is larger than 1000 bytes";
    for (const text of ["a", "b"]) {
      expect(room.pins.view(rootOf(text))).toMatchObject({ stage: "dead", pin: { problem } });
    }
    expect(room.pins.get(rootOf("ours"))?.state).toBe("pinned");
    expect(room.pinner.unpinned.map(textOf)).toEqual([textOf(rootOf("b"))]);
    expect(room.metrics.pins.rejected).toBe(2);
  });

  test(
    "R28: is made twelve times with pauses from 30 s to 6 h, then the pin is dead until somebody asks",
    { timeout: 60_000 },
    async () => {
      const room = await startWith({ options: { lookIntervalMs: DAY_MS } });
      room.pinner.script(rootOf("a"), fails("CONTENT_NOT_FOUND", "nobody has it"));
      await room.pins.add([nostr("a", "x")]);
      await room.clock.advance(0);
      const begun: number[] = [];
      for (let attempt = 1; attempt < 12; attempt++) {
        const pin = room.pins.get(rootOf("a"));
        expect(pin).toMatchObject({ state: "queued", attempts: attempt, problem: "nobody has it" });
        const restMs = (pin?.nextAttemptAtMs ?? 0) - room.clock.nowMs();
        begun.push(restMs / 1000);
        await room.clock.advance(restMs - 1);
        expect(room.pinner.attempts).toHaveLength(attempt);
        await room.clock.advance(1);
      }
      expect(begun).toEqual([30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600]);
      expect(room.pins.view(rootOf("a"))).toMatchObject({ stage: "dead", pin: { attempts: 12 } });
      await room.clock.advance(7 * DAY_MS);
      expect(room.pinner.attempts).toHaveLength(12);
      room.pinner.script(rootOf("a"), () => Promise.resolve({ blocks: 1, bytes: 1 }));
      expect(await room.pins.retry(rootOf("a"))).toBe(true);
      await room.clock.advance(0);
      expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
      expect(await room.pins.retry(rootOf("a"))).toBe(false);
    },
  );

  test("waiting for a pin ends when it is dead, when nobody wants it, and with the signal", async () => {
    const room = await startWith({});
    room.pinner.script(rootOf("a"), fails("CONTENT_UNSUPPORTED", "no such codec"));
    room.pinner.script(rootOf("b"), hangs);
    await room.pins.add([nostr("b", "x")]);
    const leaving = new AbortController();
    const released = room.pins.waitFor(rootOf("b"), "pinned", { signal: never });
    const left = room.pins.waitFor(rootOf("b"), "pinned", { signal: leaving.signal });
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    await room.pins.add([nostr("a", "x")]);
    const dead = await room.pins.waitFor(rootOf("a"), "pinned", { signal: never });
    expect(dead).toMatchObject({ state: "dead", problem: "no such codec" });
    await room.pins.release(rootOf("b"), { source: "nostr", holder: "x" });
    expect(await released).toBeUndefined();
  });

  test("waits are bounded", async () => {
    const room = createPins({ options: { waitersMax: 1 } });
    await room.pins.add([nostr("a", "x")]);
    const leaving = new AbortController();
    const { signal } = leaving;
    const first = room.pins.waitFor(rootOf("a"), "pinned", { signal });
    await expect(room.pins.waitFor(rootOf("a"), "pinned", { signal })).rejects.toMatchObject({
      code: "OVERLOADED",
    });
    leaving.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
  });
});

describe("the order", () => {
  test(
    "R28: goes round over sources and holders, so that a queue of thousands delays nobody",
    { timeout: 60_000 },
    async () => {
      const many = Array.from({ length: 3_000 }, (_, i) => `flood ${i}`);
      const few = ["b1", "b2", "c1"];
      const room = createPins({ options: { pinsMax: 1, pinsPerSecondMax: 1_000_000 } });
      await room.pins.add(many.map((text) => nostr(text, "a")));
      await room.pins.add([nostr("b1", "b"), nostr("b2", "b"), nostr("c1", "c")]);
      await room.pins.add([requestOf("user", { source: "pins-api", holder: "u" })]);
      await room.pins.add([requestOf("written", { source: "add", isStored: true })]);
      room.pins.start();
      const texts = [...many, ...few, "user", "written"];
      await until(() => expect(room.pinner.attempts.length).toBeGreaterThan(20));
      const first = attemptsOf(room, texts).slice(0, 9);
      expect(first.slice(0, 3)).toEqual(["written", "user", "flood 0"]);
      for (const text of few) expect(first).toContain(text);
    },
  );

  test("within one holder the greatest priority goes first, then the oldest", async () => {
    const room = createPins({ options: { pinsMax: 1 } });
    await room.pins.add([
      nostr("low", "a"),
      nostr("old", "a", 5),
      nostr("new", "a", 5),
      nostr("top", "a", 9),
    ]);
    room.pins.start();
    await room.clock.advance(0);
    expect(attemptsOf(room, ["low", "old", "new", "top"])).toEqual(["top", "old", "new", "low"]);
  });

  test("R28: dead CIDs of one holder take half of the places, those of all leave some for what is stored here", async () => {
    const dead = Array.from({ length: 40 }, (_, i) => `dead ${i}`);
    const room = createPins({ options: { pinsMax: 10 } });
    for (const text of dead) room.pinner.script(rootOf(text), hangs);
    await room.pins.add(dead.slice(0, 20).map((text) => nostr(text, "a")));
    room.pins.start();
    await room.clock.advance(0);
    expect(room.pinner.running.size).toBe(5);
    await room.pins.add([nostr("alive", "b")]);
    await room.clock.advance(0);
    expect(room.pins.get(rootOf("alive"))?.state).toBe("pinned");
    await room.pins.add(dead.slice(20).map((text, i) => nostr(text, `author ${i}`)));
    await room.clock.advance(0);
    expect(room.pinner.running.size).toBe(8);
    await room.pins.add(Array.from({ length: 20 }, (_, i) => requestOf(`written ${i}`, { isStored: true })));
    await room.clock.advance(0);
    for (let i = 0; i < 20; i++) expect(room.pins.get(rootOf(`written ${i}`))?.state).toBe("pinned");
  });

  test("wishes begin at their rate, what is stored here at once", async () => {
    const room = createPins({ options: { pinsPerSecondMax: 10 } });
    await room.pins.add(Array.from({ length: 50 }, (_, i) => nostr(`w${i}`, `author ${i}`)));
    await room.pins.add(Array.from({ length: 50 }, (_, i) => requestOf(`s${i}`, { isStored: true })));
    room.pins.start();
    await room.clock.advance(0);
    expect(room.pinner.attempts).toHaveLength(10 + 50);
    await room.clock.advance(1_000);
    expect(room.pinner.attempts).toHaveLength(20 + 50);
    await room.clock.advance(3_500);
    expect(room.pinner.attempts).toHaveLength(100);
  });
});

describe("a backend that is away", () => {
  test("uses up no attempt, is asked now and then, and when it is back everything drains, nothing twice", async () => {
    const room = createPins();
    const { pins, pinner, clock, metrics } = room;
    pinner.isAway = true;
    await pins.add(Array.from({ length: 200 }, (_, i) => requestOf(`${i}`, { isStored: true })));
    pins.start();
    await clock.advance(3_600_000);
    expect(pinner.attempts.length).toBeLessThan(260);
    expect(pins.list({ limit: 1_000, state: "stored" }).pins).toHaveLength(200);
    expect(pins.get(rootOf("0"))).toMatchObject({ state: "stored", attempts: 0, problem: undefined });
    pinner.isAway = false;
    const before = pinner.attempts.length;
    await clock.advance(5_000);
    expect(pins.list({ limit: 1_000, state: "pinned" }).pins).toHaveLength(200);
    expect(pinner.attempts.length - before).toBe(200);
    expect(metrics.pins).toMatchObject({ pinned: 200, dead: 0, attemptsFailed: 0 });
  });

  test("R28: one pin for which a backend that is up says that it is away does not stop the others", async () => {
    const room = createPins();
    room.pinner.script(rootOf("cursed"), fails("BACKEND_UNAVAILABLE"));
    const others = Array.from({ length: 5 }, (_, i) => nostr(`${i}`, "x"));
    await room.pins.add([nostr("cursed", "x", 9), ...others]);
    room.pins.start();
    await room.clock.advance(0);
    await room.clock.advance(5_000);
    for (let i = 0; i < 5; i++) expect(room.pins.get(rootOf(`${i}`))?.state).toBe("pinned");
    expect(room.pins.get(rootOf("cursed"))?.attempts).toBe(1);
  });

  test(
    "with a full disk is asked again every few minutes, and no pin dies of it",
    { timeout: 60_000 },
    async () => {
      const room = await startWith({ options: { lookIntervalMs: DAY_MS } });
      room.pinner.script(rootOf("a"), fails("STORE_FAILED", "the disk is full"));
      await room.pins.add([requestOf("a", { isStored: true })]);
      await room.clock.advance(3 * DAY_MS);
      expect(room.pins.view(rootOf("a"))).toMatchObject({
        stage: "failed",
        pin: { problem: "the disk is full" },
      });
      room.pinner.script(rootOf("a"), () => Promise.resolve({ blocks: 1, bytes: 1 }));
      await room.clock.advance(15 * 60_000);
      expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
    },
  );
});

describe("the end of claims", () => {
  test("unpins at the backend, and ends an attempt that is under way", async () => {
    const room = await startWith({}, nostr("pinned", "x"));
    room.pinner.script(rootOf("running"), hangs);
    await room.pins.add([nostr("running", "x")]);
    await room.clock.advance(0);
    expect(room.pinner.running.size).toBe(1);
    for (const text of ["pinned", "running"]) {
      expect(await room.pins.release(rootOf(text), { source: "nostr", holder: "x" })).toBe(true);
      expect(room.pins.get(rootOf(text))).toBeUndefined();
    }
    await room.clock.advance(0);
    expect(room.pinner.running.size).toBe(0);
    expect(room.pinner.unpinned.map(textOf).toSorted()).toEqual(
      ["pinned", "running"].map((text) => textOf(rootOf(text))).toSorted(),
    );
    expect(room.pinner.pinned.size).toBe(0);
    expect(room.store.totals()).toEqual([]);
  });

  test("is undone by a new wish: the pin is made after the unpin that is under way", async () => {
    const room = await startWith({}, nostr("a", "x"));
    room.pinner.isAway = true;
    await room.pins.release(rootOf("a"), { source: "nostr", holder: "x" });
    await room.clock.advance(100);
    await room.pins.add([nostr("a", "y")]);
    room.pinner.isAway = false;
    await room.clock.advance(20_000);
    expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
    expect([...room.pinner.pinned]).toHaveLength(1);
    // It was found there, as what it is: ours.
    await room.pins.release(rootOf("a"), { source: "nostr", holder: "y" });
    await room.clock.advance(1_000);
    expect(room.pinner.pinned.size).toBe(0);
  });

  test("is an end also when the pin is made in the moment in which its attempt is called off", async () => {
    const room = createPins();
    const { pins, pinner, clock } = room;
    const isMade = Promise.withResolvers<void>();
    pinner.script(rootOf("a"), () => isMade.promise.then(() => ({ blocks: 1, bytes: 1 })));
    await pins.add([nostr("a", "x")]);
    pins.start();
    await clock.advance(0);
    const releasing = pins.release(rootOf("a"), { source: "nostr", holder: "x" });
    isMade.resolve();
    await releasing;
    await clock.advance(1_000);
    expect(pinner.pinned.size).toBe(0);
    expect(pins.get(rootOf("a"))).toBeUndefined();
    expect(room.store.totals()).toEqual([]);
  });

  test("and a wish behind it while an attempt is under way end pinned, once", async () => {
    const room = createPins();
    const { pins, pinner, clock } = room;
    pinner.script(rootOf("a"), hangs);
    await pins.add([nostr("a", "x")]);
    pins.start();
    await clock.advance(0);
    const releasing = pins.release(rootOf("a"), { source: "nostr", holder: "x" });
    pinner.script(rootOf("a"), () => Promise.resolve({ blocks: 1, bytes: 1 }));
    await releasing;
    await pins.add([nostr("a", "y")]);
    await clock.advance(1_000);
    expect(pins.get(rootOf("a"))?.state).toBe("pinned");
    expect(pinner.pinned.size).toBe(1);
    await pins.release(rootOf("a"), { source: "nostr", holder: "y" });
    await clock.advance(1_000);
    expect(pinner.pinned.size).toBe(0);
  });
});

describe("telling the network", () => {
  const provided: string[] = [];
  const provider = {
    provide: (cid: CID): Promise<void> => {
      provided.push(textOf(cid));
      return Promise.resolve();
    },
  };

  test("comes after the pin, a few at a time", async () => {
    provided.length = 0;
    let running = 0;
    let most = 0;
    const slow = {
      provide: async (cid: CID) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        await provider.provide(cid);
      },
    };
    const room = createPins({ parts: { provider: slow } });
    await room.pins.add(Array.from({ length: 20 }, (_, i) => requestOf(`${i}`, { isStored: true })));
    room.pins.start();
    await until(() => expect(room.pins.list({ limit: 100, state: "provided" }).pins.length).toBe(20));
    expect(new Set(provided).size).toBe(20);
    expect(most).toBe(4);
  });

  test("is given up after some attempts, and the pin stays a pin", async () => {
    const failing = { provide: () => Promise.reject(new HoldfastError("UPSTREAM_TIMEOUT", "no peers")) };
    const room = await startWith(
      { parts: { provider: failing }, options: { lookIntervalMs: DAY_MS } },
      requestOf("a", { isStored: true }),
    );
    await room.clock.advance(DAY_MS);
    expect(room.pins.get(rootOf("a"))).toMatchObject({ state: "pinned", problem: "no peers" });
    expect(room.metrics.pins.providesFailed).toBe(3);
  });

  test("that hangs is given up in time", async () => {
    const hanging = {
      provide: (cid: CID, options: { signal: AbortSignal }) =>
        hangs(cid, { ...options, recursive: true }).then(() => undefined),
    };
    const room = await startWith({ parts: { provider: hanging } }, requestOf("a", { isStored: true }));
    await room.clock.advance(60_001);
    expect(room.pins.get(rootOf("a"))).toMatchObject({ attempts: 1, problem: /in time/ });
  });
});

test("what was under way at a stop is due again, also after a crash", async () => {
  const room = createPins();
  room.pinner.script(rootOf("a"), hangs);
  await room.pins.add([nostr("a", "x"), nostr("b", "x")]);
  room.pins.start();
  await room.clock.advance(0);
  await room.pins[Symbol.asyncDispose]();
  expect(room.pins.get(rootOf("a"))).toMatchObject({ state: "queued", attempts: 0 });
  const again = createPins({ parts: { store: room.store } });
  again.pins.start();
  await again.clock.advance(0);
  expect(again.pins.get(rootOf("a"))?.state).toBe("pinned");
  expect(again.pinner.attempts).toHaveLength(1);
});

describe("R33: a pin that the backend had before us", () => {
  const hold = ({ pinner }: TestPins, text: string, recursive = true): void => {
    pinner.pinned.set(pinKeyOf(rootOf(text)), { root: rootOf(text), recursive });
  };
  const release = ({ pins }: TestPins, text: string): Promise<boolean> =>
    pins.release(rootOf(text), { source: "nostr", holder: "x" });
  const heldBy = ({ pinner }: TestPins): string[] =>
    [...pinner.pinned.values()].map(({ root }) => textOf(root));

  test("counts as pinned, and stays when its last claim goes; ours goes", async () => {
    const room = createPins();
    hold(room, "theirs");
    hold(room, "their direct one", false);
    await room.pins.add([nostr("theirs", "x"), nostr("their direct one", "x"), nostr("ours", "x")]);
    room.pins.start();
    await room.clock.advance(0);
    for (const text of ["theirs", "their direct one", "ours"]) {
      expect(room.pins.get(rootOf(text))?.state).toBe("pinned");
      await release(room, text);
    }
    await room.clock.advance(1_000);
    expect(heldBy(room)).toEqual(["theirs", "their direct one"].map((text) => textOf(rootOf(text))));
    expect(room.pinner.unpinned.map(textOf)).toEqual([textOf(rootOf("ours"))]);
    expect(room.store.totals()).toEqual([]);
    expect(room.metrics.pins).toMatchObject({ released: 3, unpinned: 1 });
  });

  test("also when nobody has heard of it after all: made in the moment of a crash, it looks like theirs", async () => {
    const crashed = createPins();
    await crashed.pins.add([nostr("a", "x")]);
    const room = createPins({ parts: { store: crashed.store } });
    hold(room, "a");
    room.pins.start();
    await room.clock.advance(0);
    await release(room, "a");
    await room.clock.advance(1_000);
    expect(heldBy(room)).toEqual([textOf(rootOf("a"))]);
  });

  test("stays also when an attempt has failed before it was made, which is how an operator helps", async () => {
    const room = createPins();
    room.pinner.script(rootOf("a"), fails("CONTENT_NOT_FOUND", "nobody has it"));
    await room.pins.add([nostr("a", "x")]);
    room.pins.start();
    await room.clock.advance(0);
    hold(room, "a");
    await room.clock.advance(60_000);
    expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
    await release(room, "a");
    await room.clock.advance(1_000);
    expect(heldBy(room)).toEqual([textOf(rootOf("a"))]);
  });

  test("stays in another repository, whether it was found there by the audit or was lost there first", async () => {
    const room = createPins();
    await room.pins.add([nostr("found", "x"), nostr("lost", "x")]);
    room.pins.start();
    await room.clock.advance(0);
    room.pinner.repositoryId = "repository-2";
    room.pinner.pinned.delete(pinKeyOf(rootOf("lost")));
    await room.clock.advance(10_000);
    expect(room.metrics.pins.lost).toBe(1);
    for (const text of ["found", "lost"]) await release(room, text);
    await room.clock.advance(1_000);
    // What was lost was made here anew, so it is ours.
    expect(heldBy(room)).toEqual([textOf(rootOf("found"))]);
  });

  test("does not become ours by being lost and made again by somebody else", async () => {
    const room = createPins();
    await room.pins.add([nostr("a", "x")]);
    room.pins.start();
    await room.clock.advance(0);
    room.pinner.pinned.clear();
    room.pinner.script(rootOf("a"), fails("CONTENT_NOT_FOUND", "nobody has it"));
    await room.clock.advance(3_600_000 + 10_000);
    expect(room.metrics.pins.lost).toBe(1);
    hold(room, "a");
    await room.clock.advance(3_600_000);
    expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
    await release(room, "a");
    await room.clock.advance(1_000);
    expect(heldBy(room)).toEqual([textOf(rootOf("a"))]);
  });

  test("is not given up for its size by being unpinned", async () => {
    const room = createPins({ options: { pinBytesMax: 1_000 } });
    hold(room, "a", false);
    room.pinner.script(rootOf("a"), () => Promise.resolve({ blocks: 9, bytes: 5_000 }));
    await room.pins.add([nostr("a", "x")]);
    room.pins.start();
    await room.clock.advance(0);
    expect(room.pins.get(rootOf("a"))?.state).toBe("dead");
    expect(room.pinner.unpinned).toEqual([]);
  });
});

describe("a repository that is another one at the end of an attempt", () => {
  test("has not confirmed that pin: it is pinned there", async () => {
    const room = createPins();
    room.pinner.script(rootOf("a"), () => {
      room.pinner.repositoryId = "repository-2";
      room.pinner.script(rootOf("a"), () => Promise.resolve({ blocks: 1, bytes: 1 }));
      return Promise.resolve({ blocks: 1, bytes: 1 });
    });
    await room.pins.add([nostr("a", "x")]);
    room.pins.start();
    await room.clock.advance(0);
    room.pinner.pinned.clear();
    expect(room.pins.get(rootOf("a"))).toMatchObject({ state: "queued", attempts: 0 });
    await room.clock.advance(10_000);
    expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
    expect(room.pinner.attempts).toHaveLength(2);
    expect(room.pinner.pinned.size).toBe(1);
  });

  test("nothing is asked of one that has not said which it is", async () => {
    const room = createPins();
    room.pinner.repositoryId = undefined;
    await room.pins.add([nostr("a", "x")]);
    room.pins.start();
    await room.clock.advance(10_000);
    expect(room.pinner.attempts).toEqual([]);
    expect(room.pins.get(rootOf("a"))).toMatchObject({ state: "queued" });
    room.pinner.repositoryId = "repository-1";
    await room.clock.advance(60_000);
    expect(room.pins.get(rootOf("a"))?.state).toBe("pinned");
  });
});
