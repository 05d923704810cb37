import type { IpnsName } from "@holdfast/core";
import type { Confirmation } from "./store-messages.ts";

/**
 * Confirmations on their way to the disk, the latest of each name. Readers see them before they are written, or a name that
 * was just refreshed would look stale and be refreshed again.
 */
export class ConfirmBuffer {
  readonly #namesMax: number;
  #waiting = new Map<string, Confirmation>();
  /** Taken by {@link take}, answer outstanding. */
  #taken = new Map<string, Confirmation>();

  constructor({ namesMax }: { readonly namesMax: number }) {
    this.#namesMax = namesMax;
  }

  /** @returns false when the buffer is full and the confirmation was dropped. */
  note(name: IpnsName, checkedAtMs: number): boolean {
    const known = this.#waiting.get(name.text);
    if (known === undefined && this.#waiting.size >= this.#namesMax) return false;
    if (known === undefined || known.checkedAtMs < checkedAtMs) {
      this.#waiting.set(name.text, { name: new Uint8Array(name.multihash), checkedAtMs });
    }
    return true;
  }

  /** The latest instant noted for a name, or 0. */
  checkedAtMsOf(name: IpnsName): number {
    return Math.max(
      this.#waiting.get(name.text)?.checkedAtMs ?? 0,
      this.#taken.get(name.text)?.checkedAtMs ?? 0,
    );
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Hands out what waits, unless the last hand-out is still outstanding. {@link settle} ends it. */
  take(): readonly Confirmation[] {
    if (this.#taken.size > 0) return [];
    this.#taken = this.#waiting;
    this.#waiting = new Map();
    return [...this.#taken.values()];
  }

  settle({ isWritten }: { readonly isWritten: boolean }): void {
    const taken = this.#taken;
    this.#taken = new Map();
    if (isWritten) return;
    for (const [text, confirmation] of taken) {
      // A failed write does not push out what was noted since, and does not make the buffer outgrow its bound.
      if (!this.#waiting.has(text) && this.#waiting.size < this.#namesMax)
        this.#waiting.set(text, confirmation);
    }
  }
}
