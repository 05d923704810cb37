import type { IpnsName } from "@holdfast/core";
import type { StoredRecord } from "../../records/record-store.ts";
import type { Records } from "../../records/records.ts";
import type { Push, Subscriber } from "./push.ts";
import { PushUpdate } from "./push-update.ts";

/** A name of which a subscriber is to be told what is held, if that is news to it. */
export interface Owed {
  readonly name: IpnsName;
  readonly spelling: string;
  readonly isNews: (stored: StoredRecord) => boolean;
}

/** Where a subscriber's messages go: a socket, or a response. */
interface Outlet {
  readonly destroyed: boolean;
  readonly writableNeedDrain: boolean;
  once(event: "drain", listener: () => void): unknown;
  destroy(): unknown;
}

/** Each is a read of the database at worst. */
const NAMES_PER_STEP = 8;

/**
 * Tells one subscriber what is held of many names, as fast as it reads, between the changes that others hear of. Never tells
 * something older than what it has told before.
 */
export class CatchUp {
  readonly #parts: { readonly push: Push; readonly records: Pick<Records, "peek"> };
  readonly #outlet: Outlet;
  readonly #subscriber: Subscriber;
  readonly #owed = new Map<string, Owed>();
  #isUnderWay = false;
  #onDone: (() => void) | undefined;

  constructor(
    parts: { readonly push: Push; readonly records: Pick<Records, "peek"> },
    outlet: Outlet,
    subscriber: Subscriber,
  ) {
    this.#parts = parts;
    this.#outlet = outlet;
    this.#subscriber = subscriber;
  }

  /** @param onDone is called once all of it has been told. */
  add(owed: Iterable<Owed>, onDone?: () => void): void {
    for (const each of owed) this.#owed.set(each.spelling, each);
    this.#onDone = onDone;
    if (!this.#isUnderWay) this.#goOn();
  }

  /** Nobody wants to know any more. */
  remove(spelling: string): void {
    this.#owed.delete(spelling);
  }

  #goOn(): void {
    this.#isUnderWay = true;
    this.#parts.push.behind(() => this.#step());
  }

  #step(): void {
    if (this.#outlet.destroyed) return;
    let names = 0;
    for (const [spelling, owed] of this.#owed) {
      if (this.#outlet.writableNeedDrain) {
        this.#outlet.once("drain", () => this.#goOn());
        return;
      }
      if (names++ >= NAMES_PER_STEP) return this.#goOn();
      this.#owed.delete(spelling);
      if (!this.#tell(owed)) return;
    }
    this.#isUnderWay = false;
    this.#onDone?.();
  }

  #tell({ name, spelling, isNews }: Owed): boolean {
    try {
      const stored = this.#parts.records.peek(name);
      if (stored !== undefined && isNews(stored)) this.#subscriber.send(new PushUpdate(spelling, stored));
      return true;
    } catch {
      // The store cannot be read. Nothing may be left out in silence: the client comes again.
      this.#outlet.destroy();
      return false;
    }
  }
}
