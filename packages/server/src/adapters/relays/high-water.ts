import type { TakenEvent } from "../../announce/relays.ts";
import type { Timers } from "../../telemetry/clock.ts";

export interface HighWaterParts {
  readonly timers: Timers;
  /** Makes it durable. */
  readonly save: (createdAtS: number) => Promise<void>;
  readonly onSaveFailed: (err: unknown) => void;
}

/** Events in the same second would write it each; a crash only costs reading so much again. */
const SAVE_DELAY_MS = 2_000;

/**
 * How far a relay was read: the greatest `created_at` that was taken. It is saved only while everything before it was taken too:
 * after all that was stored has been read, while no event is under way, and until one fails. Nor does it pass an event that is
 * early: when it was our clock that was behind, everything since has to be read again.
 */
export class HighWater {
  readonly #parts: HighWaterParts;
  readonly #underWay = new Set<Promise<TakenEvent>>();
  #createdAtS = 0;
  #earlyS = Number.POSITIVE_INFINITY;
  #savedS = 0;
  #isComplete = false;
  #isFinished = false;
  #cancelSave: (() => void) | undefined;

  constructor(parts: HighWaterParts) {
    this.#parts = parts;
  }

  /** Never rejects, as `taking` does not. */
  async track(taking: Promise<TakenEvent>): Promise<TakenEvent> {
    this.#underWay.add(taking);
    const taken = await taking;
    this.#underWay.delete(taking);
    if (taken.outcome === "failed") this.#isComplete = false;
    if (taken.outcome === "early") this.#earlyS = Math.min(this.#earlyS, taken.createdAtS ?? 0);
    else this.#createdAtS = Math.max(this.#createdAtS, taken.createdAtS ?? 0);
    this.#scheduleSave();
    return taken;
  }

  /** Everything that the relay had was read, and none of it has failed. */
  async complete(): Promise<void> {
    this.#isComplete = true;
    await this.#saveIfDone();
  }

  /** What was read counts no longer: the next reading starts at what was saved. */
  restart(): void {
    this.#isComplete = false;
    this.#createdAtS = 0;
    this.#earlyS = Number.POSITIVE_INFINITY;
  }

  /** Waits for the events under way and saves for the last time. */
  async finish(): Promise<void> {
    this.#isFinished = true;
    this.#cancelSave?.();
    await Promise.all(this.#underWay);
    await this.#saveIfDone();
  }

  get #reachedS(): number {
    return Math.min(this.#createdAtS, this.#earlyS);
  }

  #scheduleSave(): void {
    if (this.#isFinished || !this.#isComplete || this.#cancelSave !== undefined) return;
    if (this.#reachedS <= this.#savedS) return;
    this.#cancelSave = this.#parts.timers.after(SAVE_DELAY_MS, () => {
      this.#cancelSave = undefined;
      void this.#saveIfDone().then(() => this.#scheduleSave());
    });
  }

  async #saveIfDone(): Promise<void> {
    if (!this.#isComplete || this.#underWay.size > 0 || this.#reachedS <= this.#savedS) return;
    const createdAtS = this.#reachedS;
    try {
      await this.#parts.save(createdAtS);
      this.#savedS = createdAtS;
    } catch (err) {
      this.#parts.onSaveFailed(err);
    }
  }
}
