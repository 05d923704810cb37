import { type IpnsName, type IpnsRecord, decodeRecord } from "@holdfast/core";
import { Record as DhtRecord } from "@libp2p/kad-dht";
import fc from "fast-check";
import { Key } from "interface-datastore";
import { base32 } from "multiformats/bases/base32";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestName, makeRecord, type TestKey } from "../../../test/support/records.ts";
import { temporaryFolder } from "../../../test/support/start-embedded.ts";
import { DhtDatastore } from "./dht-datastore.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: DhtDatastore;
let stored: { routingKey: Uint8Array; record: Uint8Array }[];
let ownRecord: IpnsRecord | undefined;
let key: TestKey;

beforeEach(async () => {
  folder = await temporaryFolder();
  stored = [];
  ownRecord = undefined;
  key = createTestName();
  store = new DhtDatastore(folder.path, {
    storedRecord: () => ownRecord,
    onStored: (routingKey, record) => stored.push({ routingKey, record }),
  });
  await store.open();
});
afterEach(async () => {
  await store.close();
  await folder[Symbol.asyncDispose]();
});

function keyOf(name: IpnsName): Key {
  return new Key(`/dht/record/${base32.baseEncode(name.routingKey)}`, false);
}

function put(record: Uint8Array, receivedAt = new Date()): Promise<Key> {
  return store.put(keyOf(key.name), new DhtRecord(key.name.routingKey, record, receivedAt).serialize());
}

/** Level gives Buffers. */
async function heldBytes(): Promise<Uint8Array> {
  return Uint8Array.from((await store.recordOf(key.name.routingKey)) ?? []);
}

async function sequence(): Promise<bigint | undefined> {
  const bytes = await store.recordOf(key.name.routingKey);
  return bytes === undefined ? undefined : decodeRecord(bytes).sequence;
}

describe("DhtDatastore", () => {
  it("holds what was put, and tells of it", async () => {
    const record = await makeRecord(key);
    await put(record);
    expect(await heldBytes()).toEqual(record);
    expect(stored).toEqual([{ routingKey: key.name.routingKey, record }]);
  });

  it("P4: refuses an older record over a newer one, and tells of none", async () => {
    await put(await makeRecord(key, { sequence: 5n }));
    await expect(put(await makeRecord(key, { sequence: 4n }))).rejects.toMatchObject({
      code: "RECORD_SUPERSEDED",
    });
    expect(await sequence()).toBe(5n);
    expect(stored).toHaveLength(1);
  });

  it("P4: refuses a record older than the one of our own store", async () => {
    ownRecord = decodeRecord(await makeRecord(key, { sequence: 7n }));
    await expect(put(await makeRecord(key, { sequence: 6n }))).rejects.toMatchObject({
      code: "RECORD_SUPERSEDED",
    });
    expect(await sequence()).toBeUndefined();
  });

  it("P4: keeps the best of many puts at once, in whatever order they come", async () => {
    const sequences = [3n, 9n, 1n, 7n, 8n, 2n, 9n, 4n];
    const records = await Promise.all(sequences.map((s) => makeRecord(key, { sequence: s, eolMs: 4e12 })));
    await Promise.allSettled(records.map((record) => put(record)));
    expect(await sequence()).toBe(9n);
  });

  it("takes the same record again", async () => {
    const record = await makeRecord(key);
    await put(record);
    await put(record);
    expect(await heldBytes()).toEqual(record);
  });

  it("R13: has no expired record, for nobody who asks", async () => {
    await put(await makeRecord(key, { eolMs: Date.now() - 1_000 }));
    expect(await sequence()).toBeUndefined();
    await expect(store.get(keyOf(key.name))).rejects.toMatchObject({ name: "NotFoundError" });
  });

  it("sweeps records that nobody put again for 48 hours, and keeps the others", async () => {
    const now = Date.now();
    await put(await makeRecord(key), new Date(now - 47 * 3_600_000));
    await store.sweepRecords(now);
    expect(await sequence()).toBe(1n);
    await store.sweepRecords(now + 2 * 3_600_000);
    expect(await sequence()).toBeUndefined();
  });

  it("leaves everything else alone: other keys, and records of other kinds", async () => {
    const peerKey = new Key("/peers/abc", false);
    await store.put(peerKey, Uint8Array.of(1));
    expect([...(await store.get(peerKey))]).toEqual([1]);
    const pkKey = new Key("/dht/record/aaaa", false);
    const pkRecord = new DhtRecord(
      new TextEncoder().encode("/pk/abc"),
      Uint8Array.of(2),
      new Date(),
    ).serialize();
    await store.put(pkKey, pkRecord);
    expect(Buffer.from(await store.get(pkKey)).equals(pkRecord.subarray())).toBe(true);
    expect(stored).toEqual([]);
  });

  it("takes any bytes under a record's key without failing otherwise than by refusing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const anyKey = new Key("/dht/record/fuzz", false);
        await store.put(anyKey, bytes);
        expect(Buffer.from(await store.get(anyKey)).equals(bytes)).toBe(true);
      }),
      { numRuns: 100, seed: 20_261_126 },
    );
    await store.sweepRecords(Date.now());
    expect(stored).toEqual([]);
  });
});
