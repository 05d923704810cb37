import { isPinned, type PinForm, sizeOf } from "./pin-form.ts";

const BAR_CHARS = 20;
/** The rate is that of the last few seconds. */
const RATE_WINDOW_MS = 5_000;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

/** How far some pins are, for a person who waits for them. */
export class PinProgressView {
  readonly #pins = new Map<string, PinForm>();
  readonly #total: number;
  #samples: readonly Sample[] = [];

  /** @param total how many are waited for. */
  constructor(total: number) {
    this.#total = total;
  }

  /** True when it says something new of the pin: another state. What was counted stays counted when the attempt is over. */
  note(pin: PinForm, nowMs: number): boolean {
    const before = this.#pins.get(pin.cid);
    const blocks = Math.max(pin.blocks, before?.blocks ?? 0);
    const bytes = Math.max(pin.bytes, before?.bytes ?? 0);
    this.#pins.set(pin.cid, { ...pin, blocks, bytes });
    this.#samples = [...this.#samples, { atMs: nowMs, bytes: this.#sum("bytes") }].filter(
      ({ atMs }) => atMs >= nowMs - RATE_WINDOW_MS,
    );
    return before?.state !== pin.state;
  }

  get isEmpty(): boolean {
    return this.#pins.size === 0;
  }

  get dead(): number {
    return [...this.#pins.values()].filter(({ state }) => state === "dead").length;
  }

  /** One line of the terminal. */
  bar(): string {
    const done = [...this.#pins.values()].filter(isPinned).length;
    const filled = Math.floor((done / Math.max(1, this.#total)) * BAR_CHARS);
    const bar = `[${"#".repeat(filled)}${"-".repeat(BAR_CHARS - filled)}]`;
    const dead = this.dead === 0 ? "" : `, ${this.dead} dead`;
    const size = `${this.#sum("blocks")} blocks  ${sizeOf(this.#sum("bytes"))}  ${sizeOf(this.#rate())}/s`;
    return `${bar} ${done}/${this.#total} pinned${dead}  ${size}`;
  }

  #sum(field: "blocks" | "bytes"): number {
    return [...this.#pins.values()].reduce((sum, pin) => sum + pin[field], 0);
  }

  #rate(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return Math.round(((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs));
  }
}
