import { pino } from "pino";
import { decodeRecord, type IpnsName, isHoldfastError, parseIpnsName, validateRecord } from "@holdfast/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SqliteRecordStore } from "../src/adapters/sqlite/record-store.ts";
import { verifySignature } from "../src/adapters/crypto/verify-signature.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { collect, startEmbedded, temporaryFolder, type TestNode, within } from "./support/start-embedded.ts";
import { type Kubo, kuboAvailable, startKubo } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

/** Each starts whole nodes, which takes a second, and five on a machine that is busy. */
const SLOW = { timeout: 120_000 };
/** For calls of which an answer is expected. */
const PATIENCE_MS = 60_000;

describe.skipIf(!kuboAvailable)("IPNS records between the embedded node and real Kubo", SLOW, () => {
  let kubo: Kubo;
  let far: Kubo;
  let ours: TestNode;

  beforeAll(async () => {
    kubo = await startKubo({ label: "near" });
    far = await startKubo({ label: "far", peers: [kubo.addr] });
    ours = await startEmbedded({ bootstrap: [kubo.addr] });
    await Promise.all([far.routesTo(kubo.peerId), kubo.routesTo(far.peerId, ours.peerId)]);
  }, 120_000);
  afterAll(async () => {
    await ours[Symbol.asyncDispose]();
    await Promise.all([kubo, far].map((k) => k[Symbol.asyncDispose]()));
  });

  it("puts a record that a Kubo gets which never talked to us, after we are gone", async () => {
    const key = createTestName();
    const record = await makeRecord(key);
    {
      await using leaving = await startEmbedded({ bootstrap: [kubo.addr] });
      const { confirmedPeers } = await leaving.node.put(key.name, record, within(PATIENCE_MS));
      expect(confirmedPeers).toBeGreaterThanOrEqual(1);
    }
    await using late = await startKubo({ label: "late", peers: [kubo.addr] });
    await until(async () => {
      expect(Buffer.from((await late.routingGet(key.name.text)) ?? []).equals(record)).toBe(true);
    }, PATIENCE_MS);
  });

  it("gets a name that a far Kubo published", async () => {
    const id = await far.generateKey("published-far");
    await far.publish("published-far", "/ipfs/bafkqaaa");
    const name = parseIpnsName(id);
    const candidates = await collect(ours.node.get(name, within(PATIENCE_MS)));
    expect(candidates).toHaveLength(1);
    await expectValid(name, candidates[0]);
  });

  it("tells the listener of a record that Kubo pushes to our DHT server, once for the same bytes", async () => {
    const pushed: { name: string; bytes: Uint8Array }[] = [];
    using _listening = listen(ours, (name, bytes) => pushed.push({ name: name.text, bytes }));
    const id = await kubo.generateKey("pushed");
    await kubo.publish("pushed", "/ipfs/bafkqaaa");
    await until(() => {
      expect(pushed.map((p) => p.name)).toContain(id);
    }, PATIENCE_MS);
    const record = await kubo.routingGet(id);
    await kubo.routingPut(id, record ?? new Uint8Array());
    // A later push has arrived: so had the repeated one.
    const next = await kubo.generateKey("pushed-next");
    await kubo.publish("pushed-next", "/ipfs/bafkqaaa");
    await until(() => {
      expect(pushed.map((p) => p.name)).toContain(next);
    }, PATIENCE_MS);
    // A Kubo that is older than a minute signs it anew, which are other bytes.
    const ofName = pushed.filter((p) => p.name === id).map(({ bytes }) => Buffer.from(bytes).toString("hex"));
    expect(ofName).toEqual([...new Set(ofName)]);
    await expectValid(parseIpnsName(id), pushed.find((p) => p.name === id)?.bytes);
  });

  it("does not tell the listener of a record that we put ourselves", async () => {
    const pushed: string[] = [];
    using _listening = listen(ours, (name) => pushed.push(name.text));
    const own = createTestName();
    await ours.node.put(own.name, await makeRecord(own), within(PATIENCE_MS));
    const id = await kubo.generateKey("after-own");
    await kubo.publish("after-own", "/ipfs/bafkqaaa");
    await until(() => {
      expect(pushed).toContain(id);
    }, PATIENCE_MS);
    expect(pushed).not.toContain(own.name.text);
  });

  it("P1: yields every candidate, not only the first or the best", async () => {
    const key = createTestName();
    const [older, newer] = [await makeRecord(key, { sequence: 1n }), await makeRecord(key, { sequence: 2n })];
    await using hasOlder = await startKubo({ label: "older" });
    await using hasNewer = await startKubo({ label: "newer" });
    await putAlone(hasOlder, key.name, older);
    await putAlone(hasNewer, key.name, newer);
    await using asker = await startEmbedded({ bootstrap: [hasOlder.addr, hasNewer.addr] });
    await until(() => {
      expect(asker.node.status().peers).toBe(2);
    }, PATIENCE_MS);
    const sequences = new Set<bigint>();
    // The routing table takes a second peer some milliseconds after the connection.
    await until(async () => {
      for (const c of await collect(asker.node.get(key.name, within(PATIENCE_MS))))
        sequences.add(decodeRecord(c).sequence);
      expect(sequences).toEqual(new Set([1n, 2n]));
    }, PATIENCE_MS);
  });

  it("puts and asks for 200 names at once without a false “nobody has it”", async () => {
    const keys = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const key = createTestName();
        return { name: key.name, record: await makeRecord(key) };
      }),
    );
    const puts = await Promise.all(
      keys.map(({ name, record }) => ours.node.put(name, record, within(PATIENCE_MS))),
    );
    expect(puts.filter((p) => p.confirmedPeers === 0)).toEqual([]);
    await using asker = await startEmbedded({ bootstrap: [kubo.addr] });
    const answers = await Promise.all(
      keys.map(({ name }) => collect(asker.node.get(name, within(PATIENCE_MS)))),
    );
    expect(answers.filter((candidates) => candidates.length === 0)).toEqual([]);
  });

  it("ends with nothing confirmed when peers refuse a tampered record", async () => {
    const key = createTestName();
    const record = await makeRecord(key);
    const tampered = Uint8Array.from(record);
    // In the signature: the last bytes of a record are the last bytes of its signed data.
    const at = tampered.length - 1;
    tampered[at] = (tampered[at] ?? 0) ^ 1;
    expect(await ours.node.put(key.name, tampered, within(PATIENCE_MS))).toEqual({ confirmedPeers: 0 });
    expect(await kubo.routingGet(key.name.text)).toBeUndefined();
  });
});

describe.skipIf(!kuboAvailable)("P4: an older valid record never replaces a newer one", SLOW, () => {
  it("refuses an older record that Kubo pushes, and goes on answering the newer one", async () => {
    await using ours = await startEmbedded();
    const key = createTestName();
    const [older, newer] = [await makeRecord(key, { sequence: 4n }), await makeRecord(key, { sequence: 5n })];
    const pushed: bigint[] = [];
    using _listening = listen(ours, (_name, bytes) => pushed.push(decodeRecord(bytes).sequence));
    {
      await using first = await startKubo({ label: "p4-newer", peers: [ours.addr] });
      await pushTo(ours, first, key.name, newer);
    }
    {
      await using second = await startKubo({ label: "p4-older", peers: [ours.addr] });
      await introduce(ours, second);
      // Kubo answers 500 or 200, depending on its version, when the only peer refuses.
      await second.routingPut(key.name.text, older).catch(() => undefined);
      // Its own copy is a candidate as well; ours comes first.
      expect((await sequencesIn(ours, key.name))[0]).toBe(5n);
    }
    await until(async () => {
      expect(await sequencesIn(ours, key.name)).toEqual([5n]);
    }, PATIENCE_MS);
    await using third = await startKubo({ label: "p4-asker", peers: [ours.addr] });
    await until(async () => {
      expect(sequenceOf(await third.routingGet(key.name.text))).toBe(5n);
    }, PATIENCE_MS);
    expect(pushed).not.toContain(4n);
  });

  it("refuses a pushed record that is older than the one in our own store", async () => {
    const key = createTestName();
    const [older, newer] = [await makeRecord(key, { sequence: 6n }), await makeRecord(key, { sequence: 7n })];
    await using folder = await temporaryFolder();
    await using store = await SqliteRecordStore.open(
      { logger: pino({ level: "silent" }) },
      { dataDir: folder.path },
    );
    await using ours = await startEmbedded({ recordDatabase: store.databasePath });
    const record = await validateRecord(newer, key.name, { nowMs: Date.now(), verifySignature });
    await store.put(record, { origin: "client", receivedAtMs: Date.now() });
    await using pusher = await startKubo({ label: "p4-store", peers: [ours.addr] });
    await introduce(ours, pusher);
    await pusher.routingPut(key.name.text, older).catch(() => undefined);
    await pusher.kill();
    await until(async () => {
      expect(await sequencesIn(ours, key.name)).toEqual([]);
    }, PATIENCE_MS);
  });

  it("does not put an own record that is older than what the DHT store holds", async () => {
    await using ours = await startEmbedded();
    await using kubo = await startKubo({ label: "p4-own", peers: [ours.addr] });
    const key = createTestName();
    const [older, newer] = [await makeRecord(key, { sequence: 1n }), await makeRecord(key, { sequence: 2n })];
    await pushTo(ours, kubo, key.name, newer);
    expect(await ours.node.put(key.name, older, within(PATIENCE_MS))).toEqual({ confirmedPeers: 0 });
    expect((await sequencesIn(ours, key.name))[0]).toBe(2n);
  });
});

/** Puts a record through Kubo until it was pushed to our DHT store: Kubo needs a moment to take us into its routing table. */
async function pushTo(ours: TestNode, kubo: Kubo, name: IpnsName, record: Uint8Array): Promise<void> {
  let arrived = false;
  using _listening = listen(ours, (pushedName) => {
    arrived ||= pushedName.text === name.text;
  });
  await until(async () => {
    await kubo.routingPut(name.text, record).catch(() => undefined);
    expect(arrived).toBe(true);
  });
}

/** What our DHT store and the network give. A network of which nobody is left alive gives nothing. */
async function sequencesIn(ours: TestNode, name: IpnsName): Promise<bigint[]> {
  const sequences: bigint[] = [];
  try {
    for await (const bytes of ours.node.get(name, within(PATIENCE_MS)))
      sequences.push(decodeRecord(bytes).sequence);
  } catch (err) {
    if (!isHoldfastError(err) || err.code !== "BACKEND_UNAVAILABLE") throw err;
  }
  return sequences;
}

/** Settles when this Kubo's puts reach our DHT server. */
async function introduce(ours: TestNode, kubo: Kubo): Promise<void> {
  const key = createTestName();
  await pushTo(ours, kubo, key.name, await makeRecord(key));
}

/** A Kubo without peers keeps the record and then complains that it could not send it to anybody. */
async function putAlone(kubo: Kubo, name: IpnsName, record: Uint8Array): Promise<void> {
  await kubo.routingPut(name.text, record).catch(() => undefined);
  expect(await kubo.connectedPeers()).toEqual([]);
}

function sequenceOf(bytes: Uint8Array | undefined): bigint | undefined {
  return bytes === undefined ? undefined : decodeRecord(bytes).sequence;
}

async function expectValid(name: IpnsName, bytes: Uint8Array | undefined): Promise<void> {
  await validateRecord(bytes ?? new Uint8Array(), name, { nowMs: Date.now(), verifySignature });
}

function listen(ours: TestNode, listener: (name: IpnsName, bytes: Uint8Array) => void): Disposable {
  const stop = ours.node.onRecordPushed(listener);
  return { [Symbol.dispose]: stop };
}
