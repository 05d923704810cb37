import { HoldfastError } from "@holdfast/core";
import { describe, expect, test } from "vitest";
import { blockOf } from "../../../test/support/blocks.ts";
import {
  createFollows,
  pathOf,
  publishedKey,
  type TestFollows,
} from "../../../test/support/create-follows.ts";
import { requestOf } from "../../../test/support/create-pins.ts";
import { createTestName } from "../../../test/support/records.ts";
import { fails, hangs } from "../../../test/support/scripted-pinner.ts";

const HOUR_MS = 3_600_000;
const rootOf = (text: string) => blockOf(text).cid;

async function started(settings: Parameters<typeof createFollows>[0] = {}): Promise<TestFollows> {
  const room = await createFollows(settings);
  room.follows.start();
  return room;
}

const succeed = (room: TestFollows, text: string): void =>
  room.pinRoom.pinner.script(rootOf(text), () => Promise.resolve({ blocks: 1, bytes: 1 }));

describe("versions", () => {
  test("what a name points to is pinned when it is followed, and as it changes", async () => {
    const room = await started();
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 3 });
    await room.clock.advance(0);
    expect(room.pinRoom.pins.get(rootOf("a"))).toMatchObject({
      state: "pinned",
      recursive: true,
      claim: { source: "follow", holder: key.name.text },
    });
    await room.publish(key, pathOf("b"));
    await room.clock.advance(0);
    expect(room.pinRoom.pins.get(rootOf("b"))?.state).toBe("pinned");
    expect(room.follows.view(key.name)).toMatchObject({
      keep: 3,
      follows: [{ origin: "admin", keep: 3 }],
      versions: [{ stage: "pinned" }, { stage: "pinned" }],
      problem: undefined,
    });
    expect(room.metrics.follow).toEqual({ versions: 2, released: 0, failures: 0 });
  });

  test("R32: the last N stay, older ones are released and unpinned", async () => {
    const room = await started();
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 2 });
    for (const text of ["b", "c", "d"]) {
      await room.publish(key, pathOf(text));
      await room.clock.advance(0);
    }
    expect(room.claimed(key.name, "abcd")).toBe("cd");
    expect(room.pinRoom.pinner.unpinned.map(String)).toEqual(["a", "b"].map((t) => rootOf(t).toString()));
    expect(room.metrics.follow.released).toBe(2);
  });

  test("R33: nothing is released before the newest is pinned, nor when its pin failed for good", async () => {
    const room = await started();
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 1 });
    await room.clock.advance(0);
    room.pinRoom.pinner.script(rootOf("b"), hangs);
    await room.publish(key, pathOf("b"));
    await room.clock.advance(60_000);
    expect(room.claimed(key.name, "ab")).toBe("ab");
    room.pinRoom.pinner.script(rootOf("b"), fails("CONTENT_UNSUPPORTED", "a hole"));
    await room.clock.advance(2 * HOUR_MS);
    expect(room.pinRoom.pins.get(rootOf("b"))?.state).toBe("dead");
    expect(room.claimed(key.name, "ab")).toBe("ab");
    succeed(room, "b");
    await room.pinRoom.pins.retry(rootOf("b"));
    await room.clock.advance(0);
    expect(room.claimed(key.name, "ab")).toBe("b");
  });

  test("R33: what the repository does not confirm right now is no reason to release anything", async () => {
    let answer: () => Promise<boolean> = () => Promise.resolve(false);
    const room = await started({ parts: { isInRepository: () => answer() } });
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 1 });
    await room.publish(key, pathOf("b"));
    await room.clock.advance(0);
    expect(room.claimed(key.name, "ab")).toBe("ab");
    expect(room.follows.view(key.name)?.problem).toMatch(/does not have a version/);
    answer = () => Promise.reject(new HoldfastError("BACKEND_UNAVAILABLE", "Kubo is away"));
    await room.clock.advance(120_000);
    expect(room.claimed(key.name, "ab")).toBe("ab");
    expect(room.follows.view(key.name)?.problem).toBe("Kubo is away");
    expect(room.metrics.follow.failures).toBeGreaterThan(0);
    answer = () => Promise.resolve(true);
    await room.clock.advance(120_000);
    expect(room.claimed(key.name, "ab")).toBe("b");
    expect(room.follows.view(key.name)?.problem).toBeUndefined();
  });

  test("R33: a record that expires, or is not there yet, changes nothing", async () => {
    const room = await started();
    const key = createTestName();
    await room.follows.follow(key.name, { origin: "admin", keep: 1 });
    await room.clock.advance(60_000);
    expect(room.follows.view(key.name)?.versions).toEqual([]);
    expect(room.follows.view(key.name)?.problem).toMatch(/no record/);
    await room.publish(key, pathOf("a"), { eolMs: room.clock.nowMs() + HOUR_MS });
    await room.clock.advance(2 * HOUR_MS);
    expect(room.records.held(key.name)).toBeUndefined();
    expect(room.claimed(key.name, "a")).toBe("a");
    expect(room.follows.view(key.name)?.problem).toMatch(/no record that is valid now/);
  });

  test("changes that come faster than they are looked at are all seen", async () => {
    const room = await started();
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 3 });
    await room.clock.advance(0);
    for (const text of ["b", "c", "d", "c"]) await room.publish(key, pathOf(text));
    await room.clock.advance(0);
    expect(room.follows.view(key.name)?.versions.map(({ root }) => root.toString())).toEqual(
      ["c", "d", "b"].map((text) => rootOf(text).toString()),
    );
    expect(room.claimed(key.name, "abcd")).toBe("bcd");
  });

  test("what somebody else wants stays pinned when the name lets it go", async () => {
    const room = await started();
    const key = await publishedKey(room, "a");
    await room.pinRoom.pins.add([requestOf("a", { source: "nostr", holder: "author" })]);
    await room.follows.follow(key.name, { origin: "admin", keep: 1 });
    await room.publish(key, pathOf("b"));
    await room.clock.advance(0);
    expect(room.claimed(key.name, "ab")).toBe("b");
    expect(room.pinRoom.pins.get(rootOf("a"))?.state).toBe("pinned");
  });

  test("of a path the root is pinned, and what is no content is a problem that people see", async () => {
    const room = await started();
    const key = createTestName();
    await room.publish(key, `${pathOf("a")}/docs/100%`);
    await room.follows.follow(key.name, { origin: "admin" });
    await room.clock.advance(0);
    expect(room.claimed(key.name, "a")).toBe("a");
    await room.publish(key, "/ipfs/rubbish");
    await room.clock.advance(0);
    expect(room.follows.view(key.name)?.problem).toMatch(/CID/);
    expect(room.claimed(key.name, "a")).toBe("a");
  });

  test("versions that never come are bounded, however often a name changes", async () => {
    const room = await started({ options: { waitingMax: 3 } });
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 2 });
    await room.clock.advance(0);
    const texts = "bcdefghijklmno";
    for (const text of texts) {
      room.pinRoom.pinner.script(rootOf(text), hangs);
      await room.publish(key, pathOf(text));
      await room.clock.advance(1);
    }
    expect(room.claimed(key.name, `a${texts}`)).toBe("aklmno");
  });
});

describe("names behind names", () => {
  test("a value /ipns/… is followed, and so are its changes", async () => {
    const room = await started();
    const inner = await publishedKey(room, "a");
    const outer = createTestName();
    await room.publish(outer, `/ipns/${inner.name.text}/sub`);
    await room.follows.follow(outer.name, { origin: "admin", keep: 2 });
    await room.clock.advance(0);
    expect(room.claimed(outer.name, "ab")).toBe("a");
    await room.publish(inner, pathOf("b"));
    await room.clock.advance(0);
    expect(room.claimed(outer.name, "ab")).toBe("ab");
    expect(room.follows.names().map(({ text }) => text)).toEqual([outer.name.text, inner.name.text]);
  });

  test("a name on the way without a record is asked for, and followed when it comes", async () => {
    const room = await started();
    const [inner, outer] = [createTestName(), createTestName()];
    await room.publish(outer, `/ipns/${inner.name.text}`);
    await room.follows.follow(outer.name, { origin: "admin" });
    await room.clock.advance(0);
    expect(room.follows.names().map(({ text }) => text)).toContain(inner.name.text);
    await room.publish(inner, pathOf("a"));
    await room.clock.advance(0);
    expect(room.claimed(outer.name, "a")).toBe("a");
  });

  test("loops and chains without an end are problems, not work without an end", async () => {
    const room = await started();
    const keys = Array.from({ length: 34 }, () => createTestName());
    for (const [i, key] of keys.entries()) {
      const next = keys[i + 1];
      await room.publish(key, next === undefined ? pathOf("a") : `/ipns/${next.name.text}`);
    }
    const [first, , third] = keys;
    const loop = createTestName();
    await room.publish(loop, `/ipns/${loop.name.text}`);
    if (first === undefined || third === undefined) throw new Error("unreachable");
    for (const { name } of [first, third, loop]) await room.follows.follow(name, { origin: "admin" });
    await room.clock.advance(0);
    expect(room.follows.view(first.name)?.problem).toMatch(/too many names/);
    expect(room.follows.view(loop.name)?.problem).toMatch(/point at each other/);
    expect(room.claimed(third.name, "a")).toBe("a");
  });
});

describe("which names", () => {
  test("the largest number of versions that anybody wants counts", async () => {
    const room = await started();
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 1 });
    await room.follows.follow(key.name, { origin: "setting", keep: 3 });
    for (const text of ["b", "c", "d"]) {
      await room.publish(key, pathOf(text));
      await room.clock.advance(0);
    }
    expect(room.claimed(key.name, "abcd")).toBe("bcd");
    await room.follows.follow(key.name, { origin: "setting", keep: 2 });
    await room.clock.advance(0);
    expect(room.claimed(key.name, "abcd")).toBe("cd");
  });

  test("unfollowed: everything that was kept for the name is released, and nothing is left", async () => {
    const room = await started();
    const key = await publishedKey(room, "a");
    await room.follows.follow(key.name, { origin: "admin", keep: 2 });
    await room.publish(key, pathOf("b"));
    await room.clock.advance(0);
    expect(await room.follows.unfollow(key.name)).toBe(true);
    await room.clock.advance(0);
    expect(room.claimed(key.name, "ab")).toBe("");
    expect(room.follows.view(key.name)).toBeUndefined();
    expect(room.followStore.page({ after: undefined, limit: 10 })).toEqual([]);
    expect(await room.follows.unfollow(key.name)).toBe(false);
    await room.publish(key, pathOf("c"));
    await room.clock.advance(120_000);
    expect(room.claimed(key.name, "abc")).toBe("");
  });

  test("a list adds what it names and, when it is complete, ends what it does not name, of its own only", async () => {
    const room = await started();
    const [one, two, other] = [
      await publishedKey(room, "a"),
      await publishedKey(room, "b"),
      await publishedKey(room, "c"),
    ];
    await room.follows.follow(other.name, { origin: "admin" });
    const both = [one, two].map(({ name }) => ({ name, keep: 1 }));
    expect(await room.follows.setListed("setting", both, { isComplete: false })).toBe(0);
    await room.clock.advance(0);
    await expect(room.follows.unfollow(one.name)).rejects.toThrow("HOLDFAST_FOLLOW names it");
    await room.follows.setListed("setting", both.slice(1), { isComplete: false });
    await room.clock.advance(0);
    expect(room.claimed(one.name, "a")).toBe("a");
    await room.follows.setListed("setting", both.slice(1), { isComplete: true });
    await room.clock.advance(0);
    expect([room.claimed(one.name, "a"), room.claimed(two.name, "b"), room.claimed(other.name, "c")]).toEqual(
      ["", "b", "c"],
    );
  });

  test("names are bounded, and bad wishes cost nothing", async () => {
    const room = await started({ options: { namesMax: 3 } });
    const names = Array.from({ length: 5 }, () => createTestName().name);
    const wishes = names.map((name) => ({ name, keep: 1 }));
    expect(await room.follows.setListed("pin-list", wishes, { isComplete: true })).toBe(2);
    const [first = createTestName().name] = names;
    await expect(room.follows.follow(createTestName().name, { origin: "admin" })).rejects.toMatchObject({
      code: "OVERLOADED",
    });
    await room.follows.follow(first, { origin: "admin" });
    for (const keep of [0, 101, 1.5, Number.NaN])
      await expect(room.follows.follow(first, { origin: "admin", keep })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    expect(room.follows.list({ limit: 10 })).toHaveLength(3);
    const [head] = room.follows.list({ limit: 1 });
    expect(room.follows.list({ limit: 10, after: head?.name.text })).toHaveLength(2);
  });
});

describe("restarts", () => {
  test("what changed while nobody looked is seen at the start, versions between included", async () => {
    const room = await createFollows();
    const key = await publishedKey(room, "a");
    room.follows.start();
    await room.follows.follow(key.name, { origin: "admin", keep: 3 });
    await room.clock.advance(0);
    const next = await room.restart();
    for (const text of ["b", "c"]) await room.publish(key, pathOf(text));
    await room.clock.advance(60_000);
    expect(room.claimed(key.name, "abc")).toBe("a");
    next.start();
    await room.clock.advance(0);
    expect(room.claimed(key.name, "abc")).toBe("abc");
    expect(next.names().map(({ text }) => text)).toEqual([key.name.text]);
  });

  test("an unfollow that was not carried out is carried out at the start", async () => {
    const room = await createFollows();
    const key = await publishedKey(room, "a");
    room.follows.start();
    await room.follows.follow(key.name, { origin: "admin" });
    await room.clock.advance(0);
    const idle = await room.restart();
    await idle.unfollow(key.name);
    expect(room.claimed(key.name, "a")).toBe("a");
    const next = await room.restart();
    next.start();
    await room.clock.advance(0);
    expect(room.claimed(key.name, "a")).toBe("");
    expect(room.followStore.page({ after: undefined, limit: 10 })).toEqual([]);
  });

  test("what a store refuses is done later, and the failure is told", async () => {
    const room = await createFollows();
    const key = await publishedKey(room, "a");
    let isFull = true;
    const add: typeof room.pinRoom.pins.add = (requests) =>
      isFull
        ? Promise.reject(new HoldfastError("OVERLOADED", "too many pins wait already"))
        : room.pinRoom.pins.add(requests);
    const follows = await room.restart({ pins: withAdd(room, add) });
    follows.start();
    await follows.follow(key.name, { origin: "admin" });
    await room.clock.advance(0);
    expect(follows.view(key.name)).toMatchObject({ problem: "too many pins wait already" });
    isFull = false;
    await room.clock.advance(61_000);
    expect(room.claimed(key.name, "a")).toBe("a");
    expect(follows.view(key.name)?.problem).toBeUndefined();
  });
});

/** The room of pins with an `add` of the test's. */
function withAdd({ pinRoom: { pins } }: TestFollows, add: TestFollows["pinRoom"]["pins"]["add"]) {
  return {
    add,
    release: pins.release.bind(pins),
    get: pins.get.bind(pins),
    claim: pins.claim.bind(pins),
    isPinned: pins.isPinned.bind(pins),
    onPinned: pins.onPinned.bind(pins),
    view: pins.view.bind(pins),
  };
}
