import type { IpnsName } from "@holdfast/core";
import type { Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Propagations, PutOutcome } from "./propagations.ts";

interface Parts {
  readonly propagations: Pick<Propagations, "settle">;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Called after each write: names that waited for it may be put again. */
  readonly onWritten: () => void;
}

export interface PutOutcomesOptions {
  /** How long an outcome may wait for others to share its commit with. */
  readonly writeDelayMs: number;
  /** So many do not wait any longer. */
  readonly writeAtOnce: number;
  /** No put is started while so many are not written: that is how many puts a kill can make us repeat. */
  readonly unwrittenMax: number;
  readonly writeRetryMs: number;
}

/** Outcomes of puts on their way to the disk. A name with one here is not put again to that target before it is written. */
export class PutOutcomes {
  readonly #parts: Parts;
  readonly #options: PutOutcomesOptions;
  readonly #waiting = new Map<string, PutOutcome>();
  #writing: ReadonlyMap<string, PutOutcome> = new Map();
  #written: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | undefined;

  constructor(parts: Parts, options: PutOutcomesOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  add(outcome: PutOutcome): void {
    this.#waiting.set(keyOf(outcome.target, outcome.name), outcome);
    if (this.#waiting.size >= this.#options.writeAtOnce) this.#write();
    else this.#writeLater(this.#options.writeDelayMs);
  }

  get(target: string, name: IpnsName): PutOutcome | undefined {
    const key = keyOf(target, name);
    return this.#waiting.get(key) ?? this.#writing.get(key);
  }

  get size(): number {
    return this.#waiting.size + this.#writing.size;
  }

  get isFull(): boolean {
    return this.size >= this.#options.unwrittenMax;
  }

  /** Writes what is left. Never rejects: what cannot be written is put once more after the next start. */
  async close(): Promise<void> {
    await this.#written;
    this.#write();
    await this.#written;
    this.#cancelTimer?.();
  }

  #writeLater(delayMs: number): void {
    this.#cancelTimer ??= this.#parts.timers.after(delayMs, () => {
      this.#cancelTimer = undefined;
      this.#write();
    });
  }

  #write(): void {
    if (this.#writing.size > 0 || this.#waiting.size === 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#writing = new Map(this.#waiting);
    this.#waiting.clear();
    this.#written = this.#writeTaken();
  }

  async #writeTaken(): Promise<void> {
    const taken = this.#writing;
    let nextMs = this.#options.writeDelayMs;
    try {
      await this.#parts.propagations.settle([...taken.values()]);
      this.#writing = new Map();
    } catch (err) {
      this.#parts.logger.warn({ err, outcomes: taken.size }, "outcomes of puts could not be written");
      this.#writing = new Map();
      for (const [key, outcome] of taken) this.#waiting.set(key, outcome);
      nextMs = this.#options.writeRetryMs;
    }
    if (this.#waiting.size > 0) this.#writeLater(nextMs);
    this.#parts.onWritten();
  }
}

function keyOf(target: string, name: IpnsName): string {
  return `${target} ${name.text}`;
}
