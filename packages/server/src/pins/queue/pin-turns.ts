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
 * Tells whose turn is next: what was written here before wishes, round over sources, round over holders within one, the greatest
 * priority of a holder first.
 */
export class PinTurns {
  readonly #store: Pick<PinStore, "ready">;
  readonly #options: TurnsOptions;
  /** What has begun here and has not ended. */
  readonly #begun = new Map<string, PinLane>();
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

  end(pin: QueuedPin): void {
    this.#begun.delete(pinKeyOf(pin.root));
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

  #find(source: PinSource, busy: BusyKeys): QueuedPin | undefined {
    const last = this.#lastHolders.get(source);
    return (
      this.#findAfter(source, last, busy) ??
      (last === undefined ? undefined : this.#findAfter(source, undefined, busy))
    );
  }

  #findAfter(source: PinSource, afterHolder: string | undefined, busy: BusyKeys): QueuedPin | undefined {
    const { step } = this.#options;
    for (let after = afterHolder; ;) {
      const pins = this.#store.ready({ step, source, afterHolder: after, limit: busy.size + 1 });
      const idle = pins.filter(({ root }) => !busy.has(pinKeyOf(root)));
      const found = idle.find(({ lane }) => !this.#isFull(lane));
      if (found !== undefined) return found;
      // Nothing up to here can begin; the next holder may have something.
      const full = idle[0];
      if (full === undefined) return undefined;
      after = full.lane.holder;
    }
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
