import { HoldfastError, type IpnsName } from "@holdfast/core";
import { RECORD_LIFETIME_MS } from "../../src/records/keep-alive/keep-alive-times.ts";
import type { RecordRouter } from "../../src/records/lookup/record-router.ts";
import type { Clock, Timers } from "../../src/telemetry/clock.ts";

export interface FakePut {
  readonly name: IpnsName;
  readonly bytes: Uint8Array;
  readonly startedAtMs: number;
}

interface Held {
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

/** A network that takes its time for a put, fails as often as it is told to, and forgets a record 48 h after the last put. */
export class FakeDht implements RecordRouter {
  readonly label: string;
  latencyMs = 0;
  /** The share of puts that fail, at random. */
  failures = 0;
  isAway = false;
  /** Names that it never takes. */
  readonly refused = new Set<string>();
  /** Every put in the order in which they began. Off for simulations of millions. */
  readonly puts: FakePut[] = [];
  readonly #held = new Map<string, Held>();
  readonly #parts: { readonly clock: Clock & Timers; readonly random: () => number };
  readonly #isRecording: boolean;
  readonly #underWay = new Map<string, number>();
  putsUnderWayMax = 0;
  putCount = 0;
  /** How often a second put of a name began before the first one had ended. */
  doublePuts = 0;
  /** How often a name that was held was put after it had been forgotten. */
  forgottenCount = 0;
  /** How many names were put at least once since then, and when the last of them was put for the first time. */
  passFromMs = Number.POSITIVE_INFINITY;
  passNames = 0;
  passEndedAtMs = 0;

  constructor(
    parts: { readonly clock: Clock & Timers; readonly random: () => number },
    { label = "dht", isRecording = true }: { readonly label?: string; readonly isRecording?: boolean } = {},
  ) {
    this.label = label;
    this.#parts = parts;
    this.#isRecording = isRecording;
  }

  async *get(): AsyncGenerator<Uint8Array> {}

  async put(
    name: IpnsName,
    bytes: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<{ confirmedPeers: number }> {
    const { clock, random } = this.#parts;
    if (this.isAway) throw new HoldfastError("BACKEND_UNAVAILABLE", "away");
    this.putCount++;
    if (this.#isRecording) this.puts.push({ name, bytes, startedAtMs: clock.nowMs() });
    this.#enter(name);
    try {
      await this.#wait(this.latencyMs * (0.5 + random()), signal);
    } finally {
      this.#leave(name);
    }
    if (random() < this.failures || this.refused.has(name.text)) return { confirmedPeers: 0 };
    const atMs = clock.nowMs();
    if (this.#isForgotten(name, atMs)) this.forgottenCount++;
    if ((this.#held.get(name.text)?.atMs ?? 0) < this.passFromMs) {
      this.passNames++;
      this.passEndedAtMs = atMs;
    }
    this.#held.set(name.text, { bytes, atMs });
    return { confirmedPeers: 1 };
  }

  /** What it has of a name now. */
  recordOf(name: IpnsName): Uint8Array | undefined {
    return this.#isForgotten(name, this.#parts.clock.nowMs()) ? undefined : this.#held.get(name.text)?.bytes;
  }

  /** As if somebody had put it then. */
  hold(name: IpnsName, bytes: Uint8Array, atMs: number): void {
    this.#held.set(name.text, { bytes, atMs });
  }

  /** How many of the names that it once had it has forgotten by now. */
  countForgotten(): number {
    const nowMs = this.#parts.clock.nowMs();
    let forgotten = 0;
    for (const { atMs } of this.#held.values()) if (nowMs - atMs >= RECORD_LIFETIME_MS) forgotten++;
    return forgotten;
  }

  #isForgotten(name: IpnsName, nowMs: number): boolean {
    const held = this.#held.get(name.text);
    return held !== undefined && nowMs - held.atMs >= RECORD_LIFETIME_MS;
  }

  #enter(name: IpnsName): void {
    const running = this.#underWay.get(name.text) ?? 0;
    if (running > 0) this.doublePuts++;
    this.#underWay.set(name.text, running + 1);
    this.putsUnderWayMax = Math.max(this.putsUnderWayMax, this.#underWay.size);
  }

  #leave(name: IpnsName): void {
    const running = this.#underWay.get(name.text) ?? 1;
    if (running > 1) this.#underWay.set(name.text, running - 1);
    else this.#underWay.delete(name.text);
  }

  #wait(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.clock.after(delayMs, () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = (): void => {
        cancel();
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
