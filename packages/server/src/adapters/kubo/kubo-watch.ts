import { isHoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { KuboRpc } from "./kubo-rpc.ts";
import { addrsOf } from "./query-events.ts";

/** Between looks at who it is and how many peers it has. */
const RUNNING_PAUSE_MS = 10_000;
const FIRST_AWAY_PAUSE_MS = 500;
const AWAY_PAUSE_MS_MAX = 10_000;
const ANSWER_MS_MAX = 15_000;
const TICK_MS = 1_000;
/**
 * So many ticks without a sign of life and it is away. Each tick asks once more, without waiting for the answers before: a
 * Kubo that works hard answers late, but again and again, and one that has stopped does not.
 */
const QUIET_TICKS_MAX = 8;
const BYTES_MAX = 16 * 1024 * 1024;

interface Parts {
  readonly rpc: Pick<KuboRpc, "bytes">;
  readonly clock: Clock & Timers;
  /** In [0, 1); spreads the pauses. */
  readonly random: () => number;
  readonly logger: Logger;
  /** It was running and is away. */
  readonly onAway: () => void;
}

export interface KuboStatus {
  /** `starting`: not asked yet. */
  readonly state: "starting" | "running" | "unreachable";
  /** When it came into its state, ms since the Unix epoch. */
  readonly sinceMs: number;
  /** Kubo's own; undefined until it answered once. */
  readonly peerId: string | undefined;
  /** Multiaddrs it listens on, without `/p2p/…`. */
  readonly addrs: readonly string[];
  /** How many peers it is connected to; 0 while it is unreachable. */
  readonly peers: number;
  readonly version: string | undefined;
}

/** Looks after Kubo: whether it answers, who it is and how many peers it has. */
export class KuboWatch implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #closing = new AbortController();
  #status: KuboStatus;
  #looking: Promise<void> | undefined;
  #cancelTimer = (): void => {};
  #failures = 0;
  #cancelTick = (): void => {};
  #isAlive = false;
  #quietTicks = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#status = {
      state: "starting",
      sinceMs: parts.clock.nowMs(),
      peerId: undefined,
      addrs: [],
      peers: 0,
      version: undefined,
    };
  }

  get status(): KuboStatus {
    return this.#status;
  }

  /** Looks at once, or joins the look that is under way. Settles when the status is known; never rejects. */
  look(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    this.#cancelTimer();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#closing.signal.aborted) return;
      this.#cancelTimer = this.#parts.clock.after(this.#pauseMs(), () => void this.look());
    });
    return this.#looking;
  }

  /** Something failed that would fail if Kubo were away: looks at once, unless it is known to be. */
  suspect(): void {
    if (this.#status.state !== "unreachable") void this.look();
  }

  /** It has answered something. */
  noteLife(): void {
    this.#isAlive = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#cancelTimer();
    this.#cancelTick();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const before = this.#status;
    try {
      const [version, id, swarm] = await Promise.all([
        this.#ask("version"),
        this.#ask("id"),
        this.#ask("swarm/peers"),
      ]);
      if (this.#closing.signal.aborted) return;
      const facts = factsOf(version, id, swarm);
      this.#failures = 0;
      this.#become("running", facts);
      this.#startTicking();
      if (before.state !== "running") this.#parts.logger.info({ version: facts.version }, "Kubo answers");
    } catch (err) {
      if (this.#closing.signal.aborted) return;
      this.#failures++;
      // Whoever refuses the connection will not answer by and by, as one that is silent may.
      if (!isTimeout(err)) this.#cancelTick();
      this.#becomeAway(err);
    }
  }

  #becomeAway(err: unknown): void {
    const wasAway = this.#status.state === "unreachable";
    this.#become("unreachable", { peers: 0 });
    if (wasAway) return;
    this.#parts.logger.warn({ err }, "Kubo does not answer");
    this.#parts.onAway();
  }

  #become(state: KuboStatus["state"], facts: Partial<KuboStatus>): void {
    const { clock } = this.#parts;
    const sinceMs = state === this.#status.state ? this.#status.sinceMs : clock.nowMs();
    this.#status = { ...this.#status, ...facts, state, sinceMs };
  }

  #startTicking(): void {
    this.#cancelTick();
    this.#quietTicks = 0;
    this.#cancelTick = this.#parts.clock.after(TICK_MS, () => this.#tick());
  }

  /** While it runs, and while it is away because it is silent. */
  #tick(): void {
    this.#cancelTick = this.#parts.clock.after(TICK_MS, () => this.#tick());
    const isAlive = this.#isAlive;
    this.#isAlive = false;
    this.#quietTicks = isAlive ? 0 : this.#quietTicks + 1;
    if (isAlive && this.#status.state !== "running") {
      this.#become("running", {});
      void this.look();
    }
    if (this.#quietTicks === QUIET_TICKS_MAX) {
      this.#becomeAway(new Error(`silent for ${(QUIET_TICKS_MAX * TICK_MS) / 1000} s`));
    }
    this.#ask("version").catch((err: unknown) => {
      // One that is late says nothing: those after it may have been answered.
      if (!isTimeout(err)) this.suspect();
    });
  }

  #pauseMs(): number {
    const doubled = FIRST_AWAY_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 16);
    const pauseMs = this.#failures === 0 ? RUNNING_PAUSE_MS : Math.min(doubled, AWAY_PAUSE_MS_MAX);
    return Math.round(pauseMs * (0.5 + this.#parts.random()));
  }

  async #ask(command: string): Promise<Record<string, unknown>> {
    const body = await this.#parts.rpc.bytes(
      { kind: "status", command, msMax: ANSWER_MS_MAX, bytesMax: BYTES_MAX },
      { signal: this.#closing.signal },
    );
    const answer = JSON.parse(new TextDecoder().decode(body)) as unknown;
    if (typeof answer !== "object" || answer === null) throw new Error(`${command}: not an object`);
    return answer as Record<string, unknown>;
  }
}

const isTimeout = (err: unknown): boolean => isHoldfastError(err) && err.code === "UPSTREAM_TIMEOUT";

/** @throws Error when these are not the answers of a Kubo. */
function factsOf(
  { Version }: Record<string, unknown>,
  { ID, Addresses }: Record<string, unknown>,
  { Peers }: Record<string, unknown>,
): Pick<KuboStatus, "version" | "peerId" | "addrs" | "peers"> {
  if (typeof Version !== "string" || typeof ID !== "string") throw new Error("this is no Kubo");
  return {
    version: Version.slice(0, 100),
    peerId: ID,
    addrs: addrsOf(ID, Addresses),
    peers: Array.isArray(Peers) ? Peers.length : 0,
  };
}
