import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { expect, onTestFinished, test } from "vitest";
import { FileBlockStore } from "../src/adapters/files/block-store.ts";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { followedRecords } from "../src/follow-ports.ts";
import { Follows } from "../src/pins/follow/follows.ts";
import { Pins } from "../src/pins/pins.ts";
import { VaultPinner } from "../src/pins/vault-pinner.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { FOLLOWS_OPTIONS } from "./support/create-follows.ts";
import { PINS_OPTIONS } from "./support/create-pins.ts";
import { createRecords } from "./support/create-records.ts";
import { MEMORY_FOLDER } from "./support/memory-folder.ts";
import { createTestName, makeRecord, type TestKey } from "./support/records.ts";
import { until } from "./support/until.ts";

/** The real stores in one folder, and our own vault as the backend. */
async function open(dataDir: string) {
  const stack = new AsyncDisposableStack();
  const logger = createLogger("silent");
  const store = stack.use(await SqliteRecordStore.open({ logger }, { dataDir }));
  const room = createRecords([], { parts: { store } });
  stack.defer(() => room.records.close());
  const { clock, metrics } = room;
  const vault = stack.use(await FileBlockStore.open(join(dataDir, "vault"), {}));
  const nowhere = { get: () => Promise.reject(new HoldfastError("CONTENT_NOT_FOUND", "nobody has it")) };
  const pinner = new VaultPinner({ blocks: nowhere, vault, pins: store.pins });
  const shared = { clock, timers: clock, random: () => 0.5, logger, metrics };
  const pins = stack.use(new Pins({ ...shared, store: store.pins, pinner, vault }, PINS_OPTIONS));
  const follows = stack.use(
    await Follows.open(
      { ...shared, store: store.follows, records: followedRecords(room.records, clock), pins },
      FOLLOWS_OPTIONS,
    ),
  );
  pins.start();
  follows.start();
  return { ...room, store, vault, pins, follows, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Node = Awaited<ReturnType<typeof open>>;

function dagOf(seed: number) {
  const leaves = [blockOf(bytesOf(500, seed)), blockOf(bytesOf(50_000, seed))];
  const root = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
  return { root: root.cid, all: [root, ...leaves] };
}

async function publish({ records, clock }: Node, key: TestKey, root: CID, sequence: bigint): Promise<void> {
  const eolMs = clock.nowMs() + 3_600_000;
  const bytes = await makeRecord(key, { value: `/ipfs/${root.toString()}`, sequence, eolMs });
  await records.publish(key.name, bytes, { origin: "client" });
}

const statesOf = (node: Node, key: TestKey) =>
  node.follows.view(key.name)?.versions.map(({ root, stage }) => [root.toString(), stage]);

test("R32, R33: with SQLite and the vault: the last two stay, also over restarts, and what cannot be had costs nothing that is here", async () => {
  const dataDir = mkdtempSync(join(MEMORY_FOLDER, "holdfast-follows-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const key = createTestName();
  const [one, two, three, absent] = [dagOf(1), dagOf(2), dagOf(3), dagOf(4)];
  const pinnedAs = (...dags: readonly { readonly root: CID }[]) =>
    dags.map(({ root }) => [root.toString(), "pinned"]);
  {
    await using node = await open(dataDir);
    await node.vault.put([one, two, three].flatMap(({ all }) => all));
    await publish(node, key, one.root, 1n);
    await node.follows.follow(key.name, { origin: "admin", keep: 2 });
    await publish(node, key, two.root, 2n);
    await until(() => expect(statesOf(node, key)).toEqual(pinnedAs(two, one)));
  }
  {
    // Nobody looks when the third one comes.
    const logger = createLogger("silent");
    await using store = await SqliteRecordStore.open({ logger }, { dataDir });
    const { records, clock } = createRecords([], { parts: { store } });
    await publish({ records, clock } as Node, key, three.root, 3n);
    await records.close();
  }
  {
    await using node = await open(dataDir);
    await until(() => expect(statesOf(node, key)).toEqual(pinnedAs(three, two)));
    expect(node.pins.get(one.root)).toBeUndefined();
    expect(node.pins.claims(two.root)).toMatchObject([{ source: "follow", holder: key.name.text }]);
    await publish(node, key, absent.root, 4n);
    await until(() => expect(statesOf(node, key)?.[0]).toEqual([absent.root.toString(), "failed"]));
  }
  await using node = await open(dataDir);
  await until(() => expect(statesOf(node, key)).toHaveLength(3));
  expect(statesOf(node, key)?.slice(1)).toEqual(pinnedAs(three, two));
  await node.follows.unfollow(key.name);
  await until(() => expect(node.follows.view(key.name)).toBeUndefined());
  expect(node.store.follows.page({ after: undefined, limit: 10 })).toEqual([]);
  for (const { root } of [one, two, three, absent]) expect(node.pins.claims(root)).toEqual([]);
}, 60_000);
