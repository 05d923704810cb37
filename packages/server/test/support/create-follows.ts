import type { IpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { onTestFinished } from "vitest";
import { MemoryFollowStore } from "../../src/adapters/memory/follow-store.ts";
import { followedRecords } from "../../src/follow-ports.ts";
import type { FollowStore } from "../../src/pins/follow/follow-store.ts";
import { Follows, type FollowsOptions, type FollowsParts } from "../../src/pins/follow/follows.ts";
import type { RecordsParts } from "../../src/records/records.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { blockOf } from "./blocks.ts";
import { createPins, type TestPins } from "./create-pins.ts";
import { createRecords, type TestRecords } from "./create-records.ts";
import { createTestName, makeRecord, type RecordFacts, type TestKey } from "./records.ts";

export const FOLLOWS_OPTIONS: FollowsOptions = {
  namesMax: 100,
  keepDefault: 2,
  keepMax: 100,
  waitingMax: 4,
  tendedMax: 4,
  lookMs: 60_000,
  tickMs: 1_000,
  namesPerTick: 50,
};

export interface TestFollows extends TestRecords {
  readonly follows: Follows;
  readonly followStore: FollowStore;
  readonly pinRoom: TestPins;
  /** Publishes a value, with the next sequence of its key. */
  publish(key: TestKey, value: string, facts?: RecordFacts): Promise<void>;
  /** Another room on the same stores, as after a restart; the one before has ended. */
  restart(parts?: Partial<FollowsParts>): Promise<Follows>;
  /** Which of these texts have a claim for the name. */
  claimed(name: IpnsName, texts: string): string;
}

export const pathOf = (text: string): string => `/ipfs/${blockOf(text).cid.toString()}`;

/** The real rooms of records, pins and follows over stores in memory and a scripted backend, with time that the test moves. */
export async function createFollows(
  settings: {
    readonly parts?: Partial<FollowsParts>;
    readonly options?: Partial<FollowsOptions>;
    readonly recordsParts?: Partial<RecordsParts>;
  } = {},
): Promise<TestFollows> {
  const room = createRecords([], { parts: settings.recordsParts ?? {} });
  const { clock, metrics } = room;
  const pinRoom = createPins({ parts: { clock, timers: clock, metrics } });
  pinRoom.pins.start();
  const followStore = settings.parts?.store ?? new MemoryFollowStore();
  const sequences = new Map<string, bigint>();
  let current: Follows | undefined;
  const open = async (parts: Partial<FollowsParts> = {}): Promise<Follows> => {
    await current?.[Symbol.asyncDispose]();
    current = await Follows.open(
      {
        store: followStore,
        records: followedRecords(room.records, clock),
        pins: pinRoom.pins,
        clock,
        timers: clock,
        logger: createLogger("silent"),
        metrics,
        ...settings.parts,
        ...parts,
      },
      { ...FOLLOWS_OPTIONS, ...settings.options },
    );
    return current;
  };
  onTestFinished(() => current?.[Symbol.asyncDispose]());
  return {
    ...room,
    follows: await open(),
    followStore,
    pinRoom,
    async publish(key, value, facts = {}) {
      const sequence = (sequences.get(key.name.text) ?? 0n) + 1n;
      sequences.set(key.name.text, sequence);
      const eolMs = clock.nowMs() + 48 * 3_600_000;
      const bytes = await makeRecord(key, { sequence, value, eolMs, ...facts });
      await room.records.publish(key.name, bytes, { origin: "client" });
    },
    restart: open,
    claimed: (name, texts) =>
      texts
        .split("")
        .filter((text) => isClaimed(pinRoom, blockOf(text).cid, name))
        .join(""),
  };
}

function isClaimed({ pins }: TestPins, root: CID, name: IpnsName): boolean {
  return pins.claims(root).some(({ source, holder }) => source === "follow" && holder === name.text);
}

/** A new key whose name points to this text. */
export async function publishedKey(room: TestFollows, text: string): Promise<TestKey> {
  const key = createTestName();
  await room.publish(key, pathOf(text));
  return key;
}
