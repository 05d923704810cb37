import type { IpnsName } from "@holdfast/core";
import type { Metrics } from "../../telemetry/metrics.ts";
import { PushUpdate } from "./push-update.ts";
import type { Change } from "./recent-changes.ts";
import { Turns } from "./turns.ts";

/** Someone who wants to hear of changes. */
export interface Subscriber {
  /** Sends without waiting. A subscriber that cannot keep up ends itself; nobody waits for it. Does not throw. */
  send(update: PushUpdate): void;
}

/** Those who want one name in one spelling. */
interface Audience {
  readonly subscribers: Set<Subscriber>;
  /** The latest change on its way to them. */
  sending: Sending | undefined;
}

interface Sending extends Iterator<unknown> {
  hasBegun: boolean;
}

/** Changes on their way out. When there are more, newer ones take the place of older ones of the same name. */
const SENDINGS_MAX = 256;

/**
 * Who wants to hear of which name, in which spelling, and the sending of one change to all of them (R10, R42).
 *
 * Changes go out in the order in which they were stored, each once. Only when so much is stored that sending cannot keep up
 * are changes left out that have been superseded since; the last one of a name always arrives.
 */
export class Push {
  readonly #metrics: Metrics;
  /** Canonical name → spelling → audience. */
  readonly #audiences = new Map<string, Map<string, Audience>>();
  readonly #turns: Turns;
  #sendings = 0;

  constructor(metrics: Metrics, turns: Turns = new Turns()) {
    this.#metrics = metrics;
    this.#turns = turns;
  }

  /** @returns whether it is new. */
  subscribe(subscriber: Subscriber, name: IpnsName, spelling: string): boolean {
    let spellings = this.#audiences.get(name.text);
    if (spellings === undefined) this.#audiences.set(name.text, (spellings = new Map()));
    let audience = spellings.get(spelling);
    if (audience === undefined)
      spellings.set(spelling, (audience = { subscribers: new Set(), sending: undefined }));
    if (audience.subscribers.has(subscriber)) return false;
    audience.subscribers.add(subscriber);
    this.#metrics.push.subscriptions++;
    return true;
  }

  unsubscribe(subscriber: Subscriber, nameText: string, spelling: string): void {
    const spellings = this.#audiences.get(nameText);
    const audience = spellings?.get(spelling);
    if (spellings === undefined || audience?.subscribers.delete(subscriber) !== true) return;
    this.#metrics.push.subscriptions--;
    if (audience.subscribers.size === 0) spellings.delete(spelling);
    if (spellings.size === 0) this.#audiences.delete(nameText);
  }

  /** Tells everybody who subscribed. Returns at once; what is much goes out in turns. */
  announce(change: Change): void {
    const spellings = this.#audiences.get(change.name.text);
    if (spellings === undefined) return;
    for (const [spelling, audience] of spellings) {
      const { sending } = audience;
      if (this.#sendings >= SENDINGS_MAX && sending?.hasBegun === false) {
        this.#turns.remove(sending);
        this.#sendings--;
        this.#metrics.push.updatesLeftOut++;
      }
      this.#sendings++;
      audience.sending = this.#sending(change, spelling, audience);
      this.#turns.add(audience.sending);
    }
  }

  /** Calls back once every change announced until now has been sent. The callback takes little time and does not throw. */
  behind(callback: () => void): void {
    this.#turns.add({
      next: () => {
        callback();
        return { done: true, value: undefined };
      },
    });
  }

  #sending(change: Change, spelling: string, audience: Audience): Sending {
    // Who subscribes later reads a record that is at least as new.
    const to = [...audience.subscribers];
    const update = new PushUpdate(spelling, change.stored, change);
    let at = 0;
    const sending: Sending = {
      hasBegun: false,
      next: () => {
        sending.hasBegun = true;
        to[at++]?.send(update);
        this.#metrics.push.updatesSent++;
        if (at < to.length) return { done: false, value: undefined };
        this.#sendings--;
        if (audience.sending === sending) audience.sending = undefined;
        return { done: true, value: undefined };
      },
    };
    return sending;
  }
}
