import type { Clock, Timers } from "../../telemetry/clock.ts";

/** Says when more bytes came than a rate allows, and when they have been paid for. */
export class ByteRate implements Disposable {
  readonly #clock: Clock & Timers;
  readonly #options: { readonly perSecond: number };
  readonly #setExceeded: (isExceeded: boolean) => void;
  /** When what has come so far is paid for. */
  #paidAtMs = 0;
  #cancel: (() => void) | undefined;

  /** @param setExceeded told when reading has to stop, and when it may go on. */
  constructor(
    clock: Clock & Timers,
    options: { readonly perSecond: number },
    setExceeded: (isExceeded: boolean) => void,
  ) {
    this.#clock = clock;
    this.#options = options;
    this.#setExceeded = setExceeded;
  }

  note(bytes: number): void {
    const nowMs = this.#clock.nowMs();
    // A clock that was set back starts anew.
    const isAhead = this.#paidAtMs > nowMs && this.#paidAtMs < nowMs + 60_000;
    this.#paidAtMs = (isAhead ? this.#paidAtMs : nowMs) + (bytes * 1_000) / this.#options.perSecond;
    if (this.#cancel !== undefined || this.#paidAtMs <= nowMs + BURST_MS) return;
    this.#setExceeded(true);
    this.#cancel = this.#clock.after(this.#paidAtMs - nowMs, () => {
      this.#cancel = undefined;
      this.#setExceeded(false);
    });
  }

  [Symbol.dispose](): void {
    this.#cancel?.();
  }
}

/** What a second allows may come at once. */
const BURST_MS = 1_000;
