import { compareRecords, decodeRecord, HoldfastError, type IpnsName, type IpnsRecord } from "@holdfast/core";
import { ipnsNameOfRoutingKey } from "@holdfast/core";
import { type AbortOptions, NotFoundError } from "@libp2p/interface";
import { Record as DhtRecord } from "@libp2p/kad-dht";
import { LevelDatastore } from "datastore-level";
import { Key } from "interface-datastore";

import { base32 } from "multiformats/bases/base32";

/** The datastore prefix of our DHT; its records are under `/dht/record/<routing key in base32>`. */
export const DHT_PREFIX = "/dht";
const RECORD_PREFIX = `${DHT_PREFIX}/record/`;
const IPNS_PREFIX = new TextEncoder().encode("/ipns/");

/** Anybody can push valid records of his own names: about 100 MB of them at most. */
const RECORDS_MAX = 200_000;
/** DHT servers drop what was not put again for 48 hours. */
const RECORD_AGE_MS_MAX = 48 * 60 * 60 * 1_000;

export interface DhtDatastoreHooks {
  /** The record of our own durable store, which the DHT's copy must not fall behind. */
  readonly storedRecord: (name: IpnsName) => IpnsRecord | undefined;
  /** Called after an IPNS record was stored. */
  readonly onStored: (routingKey: Uint8Array, record: Uint8Array) => void;
}

/**
 * The libp2p datastore with one rule added: **an IPNS record never replaces a better one** (P4). kad-dht stores whatever
 * is validly signed, pushed by peers or put by ourselves, unconditionally (js-libp2p issue 3377); compared here, in order
 * per name, also two pushes at once leave the better. An expired record is not there (R13).
 */
export class DhtDatastore extends LevelDatastore {
  readonly #hooks: DhtDatastoreHooks;
  /** The last write of each key that is being written. */
  readonly #writing = new Map<string, Promise<unknown>>();
  #recordCount = 0;

  constructor(folder: string, hooks: DhtDatastoreHooks) {
    super(folder);
    this.#hooks = hooks;
  }

  /** @throws HoldfastError `RECORD_SUPERSEDED` when a better record is held, `OVERLOADED` when the store is full. */
  override async put(key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    const entry = isRecordKey(key) ? ipnsEntryOf(value) : undefined;
    if (entry === undefined) return super.put(key, value, options);
    return this.#inOrder(key.toString(), async () => {
      const held = await this.#readRecord(key);
      this.#refuseWorse(entry, held);
      if (held === undefined && ++this.#recordCount > RECORDS_MAX) {
        this.#recordCount--;
        throw new HoldfastError("OVERLOADED", "the DHT store holds too many records");
      }
      await super.put(key, value, options);
      this.#hooks.onStored(entry.routingKey, entry.bytes);
      return key;
    });
  }

  override async get(key: Key, options?: AbortOptions): Promise<Uint8Array> {
    const value = await super.get(key, options);
    if (!isRecordKey(key)) return value;
    const entry = ipnsEntryOf(value);
    if (entry !== undefined && Date.now() > entry.record.eolMs)
      throw new NotFoundError("the record has expired");
    return value;
  }

  /** The unexpired record that this DHT store holds, as it was put. */
  async recordOf(routingKey: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#readRecord(keyOf(routingKey)))?.bytes;
  }

  /** Removes records that nobody put again, and expired ones; to be called now and then. */
  async sweepRecords(nowMs: number): Promise<void> {
    const dropped: Key[] = [];
    let kept = 0;
    for await (const { key, value } of this.query({ prefix: RECORD_PREFIX })) {
      if (isOutdated(value, nowMs)) dropped.push(key);
      else kept++;
    }
    for (const key of dropped) await this.delete(key);
    this.#recordCount = kept;
  }

  #refuseWorse(entry: IpnsEntry, held: IpnsEntry | undefined): void {
    const stored = this.#hooks.storedRecord(ipnsNameOfRoutingKey(entry.routingKey));
    for (const better of [held?.record, stored]) {
      if (better === undefined || compareRecords(entry.record, better) >= 0) continue;
      throw new HoldfastError("RECORD_SUPERSEDED", "a better record is stored");
    }
  }

  async #readRecord(key: Key): Promise<IpnsEntry | undefined> {
    try {
      return ipnsEntryOf(await this.get(key));
    } catch (err) {
      if (err instanceof Error && err.name === "NotFoundError") return undefined;
      throw err;
    }
  }

  async #inOrder<T>(key: string, write: () => Promise<T>): Promise<T> {
    const before = this.#writing.get(key);
    // The outcome of the write before is its caller's matter.
    const writing = before === undefined ? write() : before.then(write, write);
    this.#writing.set(key, writing);
    try {
      return await writing;
    } finally {
      if (this.#writing.get(key) === writing) this.#writing.delete(key);
    }
  }
}

interface IpnsEntry {
  readonly routingKey: Uint8Array;
  readonly bytes: Uint8Array;
  readonly record: IpnsRecord;
}

/** Undefined for other kinds of DHT records and for damaged ones. */
function ipnsEntryOf(dhtRecord: Uint8Array): IpnsEntry | undefined {
  try {
    const { key, value } = DhtRecord.deserialize(dhtRecord);
    if (!IPNS_PREFIX.every((byte, index) => key[index] === byte)) return undefined;
    return { routingKey: key, bytes: value, record: decodeRecord(value) };
  } catch {
    // What cannot be read is as good as absent; the DHT validates what it hands out.
    return undefined;
  }
}

function isOutdated(dhtRecord: Uint8Array, nowMs: number): boolean {
  try {
    const { timeReceived } = DhtRecord.deserialize(dhtRecord);
    if (timeReceived === undefined || nowMs - timeReceived.getTime() > RECORD_AGE_MS_MAX) return true;
  } catch {
    // Unreadable: nobody can use it.
    return true;
  }
  const entry = ipnsEntryOf(dhtRecord);
  return entry !== undefined && nowMs > entry.record.eolMs;
}

function isRecordKey(key: Key): boolean {
  return key.toString().startsWith(RECORD_PREFIX);
}

function keyOf(routingKey: Uint8Array): Key {
  return new Key(`${RECORD_PREFIX}${base32.baseEncode(routingKey)}`, false);
}
