import type { Timers } from "../../telemetry/clock.ts";

export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** Ends a request to a server that takes too long as a whole, makes no progress, or is wanted by nobody any more. */
export class Deadline implements Disposable {
  readonly #clock: Timers;
  readonly #idleMsMax: number;
  readonly #abort = new AbortController();
  readonly #expired = Promise.withResolvers<never>();
  readonly #cancelTotal: () => void;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#end(this.#signal.reason as Error);
  #cancelIdle: () => void;
  #isOver = false;

  constructor(
    clock: Timers,
    options: {
      readonly requestMsMax: number;
      /** Without progress for so long it ends. Default: only the whole counts. */
      readonly idleMsMax?: number;
      readonly signal: AbortSignal;
    },
  ) {
    this.#clock = clock;
    this.#idleMsMax = options.idleMsMax ?? options.requestMsMax;
    this.#signal = options.signal;
    this.#cancelTotal = clock.after(options.requestMsMax, () => this.#end(new DeadlineError("too slow")));
    this.#cancelIdle = this.#startIdle();
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
    if (this.#signal.aborted) this.#onAbort();
    // It may end when nobody waits for anything.
    this.#expired.promise.catch(() => {});
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /**
   * Waits for a step of the request, which then counts as progress. The signal alone would not do: the platform's fetch may
   * lose track of it once the headers have arrived and its request object is collected.
   */
  async orExpired<T>(step: Promise<T>): Promise<T> {
    const result = await Promise.race([step, this.#expired.promise]);
    this.noteProgress();
    return result;
  }

  /** The wait for the next step begins anew. */
  noteProgress(): void {
    if (this.#isOver) return;
    this.#cancelIdle();
    this.#cancelIdle = this.#startIdle();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#cancelTotal();
    this.#cancelIdle();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  #startIdle(): () => void {
    return this.#clock.after(this.#idleMsMax, () => this.#end(new DeadlineError("no progress")));
  }

  #end(reason: Error): void {
    this.#expired.reject(reason);
    this.#abort.abort(reason);
  }
}
