import type { CID } from "multiformats/cid";
import { blockKeyOf } from "./block-hash.ts";

/** Some 40 MiB. When more was touched, nothing may be deleted until the leases that were open then have ended. */
const KEYS_MAX = 400_000;
/** Keys that nobody needs any more are forgotten a few at a time, so that no call takes long. */
const FORGOTTEN_PER_KEY = 4;

/**
 * Which blocks must not be deleted because somebody relies on them who has not yet written down why: an upload that has put a
 * block, or found it there, and whose pin is not committed. As long as a lease is open, every block that was touched since
 * it began is protected, whoever touched it.
 *
 * The other way round as well: whoever touches a block that is just being deleted waits until it is gone, and then finds
 * it missing instead of promising what is about to vanish.
 */
export class PutLog {
  readonly #keysMax: number;
  /** Of the last touch of each block; oldest first. */
  readonly #touchedAt = new Map<string, number>();
  /** Goes up with each lease. */
  #moment = 0;
  /** From which moment on each open lease protects. */
  readonly #leases = new Map<object, number>();
  #oldest = Number.POSITIVE_INFINITY;
  /** Up to here more was touched than there was room for: anything may have been. */
  #blindUpTo = -1;
  readonly #deleting = new Map<string, Promise<void>>();

  constructor({ keysMax = KEYS_MAX }: { readonly keysMax?: number } = {}) {
    this.#keysMax = keysMax;
  }

  /** Opens a lease; disposing it ends it. */
  begin(): Disposable {
    return this.#open(++this.#moment);
  }

  /**
   * Opens a lease that also protects what was touched under those that are open now, as long as it is open itself: a sweep
   * may read what is pinned before their pins are committed, and delete after they have ended.
   */
  watch(): Disposable {
    return this.#open(Math.min(this.#oldest, ++this.#moment));
  }

  /**
   * From now on these blocks are protected, as long as a lease is open. Resolves when none of them is being deleted any
   * more: what is looked up or put from then on stays.
   */
  async touch(cids: readonly CID[]): Promise<void> {
    const keys = cids.map(blockKeyOf);
    for (const key of keys) this.#note(key);
    if (this.#deleting.size > 0) await Promise.all(keys.flatMap((key) => this.#deleting.get(key) ?? []));
  }

  isTouched(cid: CID): boolean {
    return this.#oldest <= this.#blindUpTo || (this.#touchedAt.get(blockKeyOf(cid)) ?? -1) >= this.#oldest;
  }

  /**
   * Deletes those that are not protected.
   *
   * @returns which those were. @throws whatever `remove` throws.
   */
  async deleteUntouched(
    cids: readonly CID[],
    remove: (cids: readonly CID[]) => Promise<void>,
  ): Promise<readonly CID[]> {
    // Nothing is awaited between the look and the mark: a touch comes before both or after both.
    const free = cids.filter((cid) => !this.isTouched(cid) && !this.#deleting.has(blockKeyOf(cid)));
    if (free.length === 0) return free;
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const cid of free) this.#deleting.set(blockKeyOf(cid), promise);
    try {
      await remove(free);
      return free;
    } finally {
      for (const cid of free) this.#deleting.delete(blockKeyOf(cid));
      resolve();
    }
  }

  #open(moment: number): Disposable {
    const lease = {
      [Symbol.dispose]: () => {
        this.#leases.delete(lease);
        this.#oldest = Math.min(...this.#leases.values());
        if (this.#leases.size === 0) this.#touchedAt.clear();
      },
    };
    this.#leases.set(lease, moment);
    this.#oldest = Math.min(this.#oldest, moment);
    return lease;
  }

  #note(key: string): void {
    if (this.#leases.size === 0) return;
    this.#forget();
    // Also a touch again goes to the end, so that the order stays that of time.
    this.#touchedAt.delete(key);
    if (this.#touchedAt.size < this.#keysMax) this.#touchedAt.set(key, this.#moment);
    else this.#blindUpTo = this.#moment;
  }

  #forget(): void {
    let left = FORGOTTEN_PER_KEY;
    for (const [key, touchedAt] of this.#touchedAt) {
      if (touchedAt >= this.#oldest || left-- === 0) return;
      this.#touchedAt.delete(key);
    }
  }
}
