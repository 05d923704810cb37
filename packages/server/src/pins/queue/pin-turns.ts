import type { PinSource } from "../pin.ts";
import { pinKeyOf } from "../pin-key.ts";
import type { PinLane, PinStep, QueuedPin } from "../pin-row.ts";
import type { PinStore } from "../pin-store.ts";
import { WISH_SOURCES, WRITE_SOURCES } from "../pin-transitions.ts";

export interface TurnsOptions {
  readonly step: PinStep;
  /** How many attempts may be for wishes: the rest stays free for what clients were told is stored here. */
  readonly wishesMax: number;
  /** How many may be for the wishes of one holder: dead CIDs of one do not take the place of all (R28). */
  readonly laneMax: number;
}

export type BusyKeys = Pick<ReadonlyMap<string, unknown>, "has" | "size">;

/** While both wait, wishes have one turn in so many: the content of the others is here, and perhaps nowhere else. */
const WRITES_IN_A_ROW = 4;

/**
 * Tells whose turn is next: what was written here before wishes, round over sources, round over holders within one, past those who
 * have more than their share under way, the greatest priority of a holder first.
 *
 * Asks the store only for what it may have: whoever changes that says so with {@link noteNews}.
 */
export class PinTurns {
  readonly #store: Pick<PinStore, "ready">;
  readonly #options: TurnsOptions;
  /** What has begun here, has not ended, and has a place. */
  readonly #begun = new Map<string, PinLane>();
  /** What has given its place back and goes on. */
  readonly #aside = new Map<string, PinLane>();
  /** By source: behind this holder, or at all, nothing waited when last looked at, and there was no news since. */
  readonly #nothingBehind = new Map<PinSource, { readonly holder: string | undefined }>();
  readonly #lastHolders = new Map<PinSource, string>();
  #lastWrite: PinSource | undefined;
  #lastWish: PinSource | undefined;
  #writesInARow = 0;

  constructor(store: Pick<PinStore, "ready">, options: TurnsOptions) {
    this.#store = store;
    this.#options = options;
  }

  get count(): number {
    return this.#begun.size;
  }

  /**
   * The next pin, begun; undefined when nothing can begin now. Looks at some rows per source, whatever waits.
   *
   * @param busy keys of the pins that some step is at work for, of this one and of others.
   * @param mayWish whether a wish may begin now.
   */
  begin(busy: BusyKeys, mayWish: boolean): QueuedPin | undefined {
    const wish = (): QueuedPin | undefined =>
      mayWish && this.#hasRoomForWishes() ? this.#next(WISH_SOURCES, this.#lastWish, busy) : undefined;
    const write = (): QueuedPin | undefined => this.#next(WRITE_SOURCES, this.#lastWrite, busy);
    const pin = this.#writesInARow < WRITES_IN_A_ROW ? (write() ?? wish()) : (wish() ?? write());
    if (pin === undefined) return undefined;
    const { source, holder } = pin.lane;
    if (isWish(source)) [this.#lastWish, this.#writesInARow] = [source, 0];
    else [this.#lastWrite, this.#writesInARow] = [source, this.#writesInARow + 1];
    this.#lastHolders.set(source, holder);
    this.#begun.set(pinKeyOf(pin.root), pin.lane);
    return pin;
  }

  /** Its place is free for another one. */
  setAside({ root, lane }: QueuedPin): void {
    const key = pinKeyOf(root);
    if (this.#begun.delete(key)) this.#aside.set(key, lane);
  }

  end({ root }: QueuedPin): void {
    const key = pinKeyOf(root);
    this.#begun.delete(key);
    this.#aside.delete(key);
  }

  /** The store may have something that it did not have; of this source, if one is given. */
  noteNews(source?: PinSource): void {
    if (source === undefined) this.#nothingBehind.clear();
    else this.#nothingBehind.delete(source);
  }

  /** Whether there is a wish that is not under way. */
  isWishWaiting(busy: BusyKeys): boolean {
    return WISH_SOURCES.some((source) => this.#idleBehind(source, undefined, busy).length > 0);
  }

  /** Of the first of these sources behind the last one that has something. */
  #next(sources: readonly PinSource[], last: PinSource | undefined, busy: BusyKeys): QueuedPin | undefined {
    const from = last === undefined ? 0 : sources.indexOf(last) + 1;
    for (let i = 0; i < sources.length; i++) {
      const source = sources[(from + i) % sources.length];
      const pin = source === undefined ? undefined : this.#find(source, busy);
      if (pin !== undefined) return pin;
    }
    return undefined;
  }

  /** Of the next holder that has no more than its share under way and nothing slow; else of the one with the fewest attempts. */
  #find(source: PinSource, busy: BusyKeys): QueuedPin | undefined {
    const begun = countsOf(this.#begun, source);
    const aside = countsOf(this.#aside, source);
    const share = [...begun.values()].reduce((sum, count) => sum + count, 0) / begun.size;
    let fewest: { readonly pin: QueuedPin; readonly count: number } | undefined;
    for (const pin of this.#firstOfEach(source, busy)) {
      const { holder } = pin.lane;
      const [own = 0, slow = 0] = [begun.get(holder), aside.get(holder)];
      if (slow === 0 && (own === 0 || own <= share)) return pin;
      if (fewest === undefined || own + slow < fewest.count) fewest = { pin, count: own + slow };
    }
    return fewest?.pin;
  }

  /** What each holder that has room would begin with, from the one behind the last. Reads on only while it is asked for more. */
  *#firstOfEach(source: PinSource, busy: BusyKeys): Generator<QueuedPin> {
    const last = this.#lastHolders.get(source);
    for (const from of last === undefined ? [undefined] : [last, undefined]) {
      for (let behind = from; ;) {
        const idle = this.#idleBehind(source, behind, busy);
        if (idle.length === 0) break;
        for (const pin of idle) {
          const { holder } = pin.lane;
          if (holder === behind) continue;
          behind = holder;
          if (!this.#isFull(pin.lane)) yield pin;
        }
      }
    }
  }

  /** The first ones that nobody is at work for; only what a few rows show, but one at least if there is any. */
  #idleBehind(source: PinSource, holder: string | undefined, busy: BusyKeys): readonly QueuedPin[] {
    const nothing = this.#nothingBehind.get(source);
    if (nothing !== undefined && (nothing.holder === undefined || nothing.holder === holder)) return [];
    const { step } = this.#options;
    const pins = this.#store.ready({ step, source, afterHolder: holder, limit: busy.size + 1 });
    const idle = pins.filter(({ root }) => !busy.has(pinKeyOf(root)));
    if (idle.length === 0) this.#nothingBehind.set(source, { holder });
    return idle;
  }

  #hasRoomForWishes(): boolean {
    const wishes = [...this.#begun.values()].filter(({ source }) => isWish(source));
    return wishes.length < this.#options.wishesMax;
  }

  #isFull({ source, holder }: PinLane): boolean {
    if (!isWish(source)) return false;
    const begun = [...this.#begun.values()].filter(
      (lane) => lane.source === source && lane.holder === holder,
    );
    return begun.length >= this.#options.laneMax;
  }
}

export function isWish(source: PinSource): boolean {
  return !WRITE_SOURCES.includes(source);
}

/** By holder. */
function countsOf(lanes: ReadonlyMap<string, PinLane>, source: PinSource): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const lane of lanes.values()) {
    if (lane.source === source) counts.set(lane.holder, (counts.get(lane.holder) ?? 0) + 1);
  }
  return counts;
}
