import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Pin, PinState } from "./pin.ts";
import { pinKeyOf } from "./pin-key.ts";

const RANK_BY_STATE: Readonly<Record<PinState, number>> = {
  queued: 0,
  stored: 1,
  pinned: 2,
  provided: 3,
  dead: -1,
};

/** Whether the promises of `state` hold for the pin. */
function hasReached({ state }: Pick<Pin, "state">, wanted: PinState): boolean {
  return (
    state === wanted ||
    (state !== "dead" && RANK_BY_STATE[state] >= RANK_BY_STATE[wanted] && wanted !== "dead")
  );
}

interface Waiter {
  readonly state: PinState;
  readonly resolve: (pin: Pin | undefined) => void;
}

/** Those who wait until a pin comes to a state. */
export class PinWaiters {
  readonly #get: (root: CID) => Pin | undefined;
  readonly #waitersMax: number;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #count = 0;

  constructor(get: (root: CID) => Pin | undefined, { waitersMax }: { readonly waitersMax: number }) {
    this.#get = get;
    this.#waitersMax = waitersMax;
  }

  /**
   * The pin when it has come to the state or further, or is dead; undefined when there is none (any more).
   *
   * @throws HoldfastError `OVERLOADED` when too many wait; the signal's reason when it aborts.
   */
  async wait(root: CID, state: PinState, signal: AbortSignal): Promise<Pin | undefined> {
    signal.throwIfAborted();
    const pin = this.#get(root);
    if (isOver(pin, state)) return pin;
    if (this.#count >= this.#waitersMax) throw new HoldfastError("OVERLOADED", "too many wait for pins");
    const { promise, resolve, reject } = Promise.withResolvers<Pin | undefined>();
    const waiter: Waiter = { state, resolve };
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    this.#add(root, waiter);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#remove(root, waiter);
    }
  }

  /** Something happened to the pin. */
  notify(root: CID): void {
    const waiters = this.#waiters.get(pinKeyOf(root));
    if (waiters === undefined) return;
    const pin = this.#get(root);
    for (const { state, resolve } of waiters) if (isOver(pin, state)) resolve(pin);
  }

  #add(root: CID, waiter: Waiter): void {
    const key = pinKeyOf(root);
    const waiters = this.#waiters.get(key) ?? new Set();
    this.#waiters.set(key, waiters.add(waiter));
    this.#count += 1;
  }

  #remove(root: CID, waiter: Waiter): void {
    const key = pinKeyOf(root);
    const waiters = this.#waiters.get(key);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(key);
    this.#count -= 1;
  }
}

function isOver(pin: Pin | undefined, state: PinState): boolean {
  return pin === undefined || pin.state === "dead" || hasReached(pin, state);
}
