import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldfastError } from "@holdfast/core";
import pino from "pino";
import { expect, onTestFinished, test } from "vitest";
import { ListFile } from "../src/adapters/list-files/list-file.ts";
import { MemoryListedPins } from "../src/adapters/memory/listed-pins.ts";
import { parseFollowEntry } from "../src/config/follow.ts";
import { FollowList } from "../src/pins/follow/follow-list.ts";
import type { Timers } from "../src/telemetry/clock.ts";
import { PinList, type PinListParts } from "../src/pins/list/pin-list.ts";
import { blockOf } from "./support/blocks.ts";
import { createFollows, publishedKey, type TestFollows } from "./support/create-follows.ts";
import { requestOf } from "./support/create-pins.ts";
import { createTestName } from "./support/records.ts";
import { until } from "./support/until.ts";

const cid = (text: string): string => blockOf(text).cid.toString();
const LOOK_MS = 5_000;
const SETTLED_MS = 60_000;

interface TestList extends TestFollows {
  readonly path: string;
  /** In one step, as a careful writer does. */
  write(text: string): void;
  /** Lets the clock run until the file was looked at so often. */
  looks(count: number): Promise<void>;
  /** Which of these texts the pin list claims. */
  listed(texts: string): string;
  readonly log: Record<string, unknown>[];
}

async function startList(
  kind: "pins" | "names" = "pins",
  pinsPart: (room: TestFollows) => Partial<PinListParts["pins"]> = () => ({}),
): Promise<TestList> {
  const room = await createFollows();
  room.follows.start();
  const dir = mkdtempSync(join(tmpdir(), "holdfast-list-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "list.txt");
  const log: Record<string, unknown>[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const { clock, metrics, follows } = room;
  const { pins, store } = room.pinRoom;
  const shared = { clock, timers: clock, metrics, logger };
  const pinsPort: PinListParts["pins"] = {
    add: (requests) => pins.add(requests),
    release: (root, claim) => pins.release(root, claim),
    claim: (...args) => pins.claim(...args),
    ...pinsPart(room),
  };
  const reader =
    kind === "pins"
      ? new PinList(
          { ...shared, pins: pinsPort, listed: new MemoryListedPins(store), follows },
          { namesMax: 2, retryMs: 10_000 },
        )
      : new FollowList({ follows, parse: parseFollowEntry, logger }, { namesMax: 3 });
  // Each look ends by setting the timer of the next one.
  let looked = 0;
  const timers: Timers = {
    after: (delayMs, callback) => {
      looked += 1;
      return clock.after(delayMs, callback);
    },
  };
  const file = new ListFile({ ...shared, timers, reader }, { path, lookMs: LOOK_MS, settledMs: SETTLED_MS });
  onTestFinished(() => file[Symbol.asyncDispose]());
  file.start();
  await until(() => expect(looked).toBe(1));
  return {
    ...room,
    path,
    log,
    write(text) {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    },
    async looks(count) {
      for (let i = 0; i < count; i++) {
        const before = looked;
        await clock.advance(LOOK_MS);
        await until(() => expect(looked).toBeGreaterThan(before));
        await clock.advance(0);
      }
    },
    listed: (texts) =>
      texts
        .split("")
        .filter((text) => pins.claims(blockOf(text).cid).some(({ source }) => source === "pin-list"))
        .join(""),
  };
}

const warnings = ({ log }: TestList): readonly unknown[] => log.filter(({ level }) => level === 40);

test("each line is pinned, and a line that goes is released after a minute", async () => {
  const list = await startList();
  list.write(`# ours\n${cid("a")}\n\n/ipfs/${cid("b")}/x # b\n${cid("c")}\n`);
  await list.looks(2);
  expect(list.listed("abc")).toBe("abc");
  expect(list.pinRoom.pins.get(blockOf("a").cid)).toMatchObject({
    state: "pinned",
    claim: { source: "pin-list", holder: "" },
  });
  list.write(`${cid("a")}\n${cid("d")}\n`);
  await list.looks(3);
  expect(list.listed("abcd")).toBe("abcd");
  await list.looks(13);
  expect(list.listed("abcd")).toBe("ad");
  expect(list.metrics.pinlist).toEqual({ reads: 2, badLines: 0, added: 4, released: 2 });
  expect(warnings(list)).toMatchObject([{ msg: "a list cannot be read, nothing changes" }]);
});

test.each([
  ["empty", ""],
  ["only comments", "# nothing\n\n"],
  ["half written, in the middle of a line", `${cid("a").slice(0, 30)}`],
  ["half written, without the end of its last line", cid("a")],
  ["with a line that says nothing", `${cid("a")}\nrubbish\n`],
])("R33: a list that is %s releases nothing", async (_what, text) => {
  const list = await startList();
  list.write(`${cid("a")}\n${cid("b")}\n`);
  await list.looks(16);
  expect(list.listed("ab")).toBe("ab");
  list.write(text);
  await list.looks(20);
  expect(list.listed("ab")).toBe("ab");
  expect(list.log.some(({ msg }) => /nothing is released/.test(String(msg)))).toBe(true);
});

test("R33: a list that cannot be read releases nothing, says so once, and is read again when it is back", async () => {
  const list = await startList();
  list.write(`${cid("a")}\n${cid("b")}\n`);
  await list.looks(16);
  const toldBefore = warnings(list).length;
  rmSync(list.path);
  await list.looks(20);
  expect(list.listed("ab")).toBe("ab");
  expect(warnings(list)).toHaveLength(toldBefore + 1);
  list.write(`${cid("b")}\n`);
  await list.looks(16);
  expect(list.listed("ab")).toBe("b");
});

test("R33: while a list goes on changing nothing is released, and a list that comes back in time loses nothing", async () => {
  const list = await startList();
  list.write(`${cid("a")}\n${cid("b")}\n`);
  await list.looks(16);
  for (let i = 0; i < 20; i++) {
    list.write(`${cid("a")}\n${"#".repeat(i)}\n`);
    await list.looks(1);
  }
  list.write(`${cid("a")}\n${cid("b")}\n`);
  await list.looks(20);
  expect(list.listed("ab")).toBe("ab");
  expect(list.metrics.pinlist.released).toBe(0);
});

test("a bad line is reported once, with its number, and the others are pinned", async () => {
  const list = await startList();
  list.write(`${cid("a")}\n# fine\nrubbish\n${cid("b")}\n/ipns/example.com\n`);
  await list.looks(20);
  expect(list.listed("ab")).toBe("ab");
  const told = list.log.filter(({ msg }) => /no CID, path or name/.test(String(msg)));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ count: 2, lines: [{ line: 3 }, { line: 5 }] });
  expect(list.metrics.pinlist.badLines).toBe(2);
});

test("what somebody else wants too stays when it leaves the list", async () => {
  const list = await startList();
  await list.pinRoom.pins.add([requestOf("b", { source: "nostr", holder: "author" })]);
  list.write(`${cid("a")}\n${cid("b")}\n`);
  await list.looks(16);
  list.write(`${cid("a")}\n`);
  await list.looks(16);
  expect(list.listed("ab")).toBe("a");
  expect(list.pinRoom.pins.get(blockOf("b").cid)).toMatchObject({
    state: "pinned",
    claim: { source: "nostr" },
  });
});

test("names on the list are followed, and no longer when they leave it", async () => {
  const list = await startList();
  const key = await publishedKey(list, "v");
  const others = [createTestName().name, createTestName().name];
  list.write(`${cid("a")}\n/ipns/${key.name.text}\n${others.map(({ text }) => text).join("\n")}\n`);
  await list.looks(16);
  expect(list.claimed(key.name, "v")).toBe("v");
  expect(list.follows.names()).toHaveLength(2);
  expect(list.log.some(({ msg }) => /too many names/.test(String(msg)))).toBe(true);
  await expect(list.follows.unfollow(key.name)).rejects.toThrow("the pin list names it");
  list.write(`${cid("a")}\n`);
  await list.looks(16);
  expect(list.claimed(key.name, "v")).toBe("");
  expect(list.follows.names()).toEqual([]);
});

test("while the queue takes nothing the list waits, and goes on where it was", async () => {
  let refusals = 2;
  const list = await startList("pins", (room) => ({
    add: (requests) =>
      refusals-- > 0
        ? Promise.reject(new HoldfastError("OVERLOADED", "too many pins wait already"))
        : room.pinRoom.pins.add(requests),
  }));
  list.write(`${cid("a")}\n`);
  await list.looks(1);
  await list.clock.advance(LOOK_MS);
  await until(() => expect(refusals).toBe(1));
  expect(list.listed("a")).toBe("");
  await list.clock.advance(20_000);
  await until(() => expect(list.metrics.pinlist.reads).toBe(1));
  expect(list.listed("a")).toBe("a");
});

test("a file of followed names: with how many versions, reloaded, and as careful as the pin list", async () => {
  const list = await startList("names");
  const [one, two] = [await publishedKey(list, "a"), await publishedKey(list, "b")];
  list.write(`# sites\n${one.name.text}=3\n${two.name.text} # twice\n`);
  await list.looks(16);
  expect([list.follows.view(one.name)?.keep, list.follows.view(two.name)?.keep]).toEqual([3, 2]);
  for (const text of ["", `${one.name.text}`, `${one.name.text}\n${two.name.text}=x\n`]) {
    list.write(text);
    await list.looks(16);
    expect(list.claimed(two.name, "b")).toBe("b");
  }
  list.write(`${one.name.text}=1\n`);
  await list.looks(16);
  expect(list.claimed(two.name, "b")).toBe("");
  expect(list.follows.view(one.name)?.keep).toBe(1);
});
