import { contentPathOf, type IpnsName } from "@holdfast/core";
import type { StoredRecord } from "../records/record-store.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Someone who wants to hear of changes. */
export interface Subscriber {
  /** Sends without waiting. A subscriber that cannot keep up ends itself; nobody waits for it. */
  send(message: Buffer): void;
}

/** Messages sent in one go before other work gets its turn: about 3 ms. */
const SENDS_PER_TURN_MAX = 256;

/**
 * Who wants to hear of which name, in which spelling, and the sending of one change to all of them (R10, R42).
 *
 * A message is made once per spelling and shared. Changes go out in the order in which they were stored.
 */
export class Push {
  readonly #metrics: Metrics;
  /** Canonical name → spelling → subscribers. */
  readonly #subscribers = new Map<string, Map<string, Set<Subscriber>>>();
  readonly #pending: { readonly message: Buffer; readonly to: Iterator<Subscriber> }[] = [];
  #isSending = false;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** @returns whether it is new. */
  subscribe(subscriber: Subscriber, name: IpnsName, spelling: string): boolean {
    let spellings = this.#subscribers.get(name.text);
    if (spellings === undefined) this.#subscribers.set(name.text, (spellings = new Map()));
    let subscribers = spellings.get(spelling);
    if (subscribers === undefined) spellings.set(spelling, (subscribers = new Set()));
    if (subscribers.has(subscriber)) return false;
    subscribers.add(subscriber);
    this.#metrics.push.subscriptions++;
    return true;
  }

  unsubscribe(subscriber: Subscriber, nameText: string, spelling: string): void {
    const spellings = this.#subscribers.get(nameText);
    const subscribers = spellings?.get(spelling);
    if (spellings === undefined || subscribers === undefined || !subscribers.delete(subscriber)) return;
    this.#metrics.push.subscriptions--;
    if (subscribers.size === 0) spellings.delete(spelling);
    if (spellings.size === 0) this.#subscribers.delete(nameText);
  }

  /** Tells everybody who subscribed. Returns at once; what is many goes out in turns. */
  announce(name: IpnsName, stored: StoredRecord): void {
    const spellings = this.#subscribers.get(name.text);
    if (spellings === undefined) return;
    for (const [spelling, subscribers] of spellings) {
      const message = updateMessage(spelling, stored);
      this.#pending.push({ message, to: [...subscribers].values() });
    }
    if (!this.#isSending) this.#send();
  }

  /** Sends what is held now, marked `snapshot: true`, behind every change that is still on its way out. */
  sendSnapshot(subscriber: Subscriber, spelling: string, stored: StoredRecord): void {
    this.#pending.push({
      message: updateMessage(spelling, stored, { snapshot: true }),
      to: [subscriber].values(),
    });
    if (!this.#isSending) this.#send();
  }

  #send(): void {
    let sent = 0;
    for (let job = this.#pending[0]; job !== undefined; job = this.#pending[0]) {
      for (let next = job.to.next(); next.done !== true; next = job.to.next()) {
        next.value.send(job.message);
        this.#metrics.push.updatesSent++;
        if (++sent < SENDS_PER_TURN_MAX) continue;
        this.#isSending = true;
        setImmediate(() => this.#send());
        return;
      }
      this.#pending.shift();
    }
    this.#isSending = false;
  }
}

/**
 * An update as the clients of the reference system read it: `sequence` as a number, `timestamp` as ISO 8601 text (when the
 * record was stored). `sequenceText` is exact above 2^53, `value` is the whole path, `record` the record's bytes in base64.
 */
export function updateMessage(
  spelling: string,
  stored: StoredRecord,
  extra: Readonly<Record<string, unknown>> = {},
): Buffer {
  const { record, receivedAtMs } = stored;
  const value = contentPathOf(record);
  return Buffer.from(
    JSON.stringify({
      type: "update",
      name: spelling,
      sequence: Number(record.sequence),
      cid: /^\/ipfs\/([^/]+)/.exec(value)?.[1] ?? value,
      timestamp: new Date(receivedAtMs).toISOString(),
      sequenceText: record.sequence.toString(),
      value,
      record: Buffer.from(record.bytes).toString("base64"),
      ...extra,
    }),
  );
}
