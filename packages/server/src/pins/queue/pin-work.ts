import type { CID } from "multiformats/cid";
import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { attemptPin } from "./pin-attempt.ts";
import type { RetryPolicy } from "./pin-failure.ts";
import { pinKeyOf } from "../pin-key.ts";
import { type AttemptControl, PinQueue, type PinQueueParts } from "./pin-queue.ts";
import type { PinOutcome, QueuedPin } from "../pin-row.ts";
import { isWish } from "./pin-turns.ts";
import type { Pinner, PinProgress } from "../pinner.ts";

export interface Provider {
  /** Tells the network that we have this block. Settles when that is done. */
  provide(cid: CID, options: { readonly signal: AbortSignal }): Promise<void>;
}

export interface PinWorkParts {
  readonly store: PinQueueParts["store"];
  readonly pinner: Pinner;
  readonly provider?: Provider;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  readonly isBackendUp: () => boolean;
  readonly metrics: Pick<Metrics, "pins" | "sidecar">;
  /** The store has something new of this pin; `isNewlyPinned`: that it is pinned, and `heldBytes` what it holds, if known. */
  readonly onChanged: (root: CID, isNewlyPinned: boolean, heldBytes?: number) => void;
}

export interface PinWorkOptions {
  readonly pinsMax: number;
  readonly pinsPerSecondMax: number;
  /** A wish without another block for so long goes on beside the `pinsMax`; with `pinsSlowMax` of those one must end. */
  readonly pinQuietMs: number;
  readonly pinsSlowMax: number;
  /** An attempt without another block for so long is given up. */
  readonly pinStallMs: number;
  /** What one wish may bring here; undefined: anything. */
  readonly pinBytesMax: number | undefined;
  readonly pinRetry: RetryPolicy;
  readonly providesMax: number;
  readonly provideTimeoutMs: number;
  readonly provideRetry: RetryPolicy;
  readonly unpinsMax: number;
  readonly unpinTimeoutMs: number;
}

/** Noted, nothing is left to do for the pin but to tell the network; otherwise another step may have waited for the end. */
const ENDS: ReadonlySet<PinOutcome["kind"]> = new Set([
  "pinned",
  "failed",
  "dead",
  "provided",
  "not-provided",
]);

/** Why an attempt ends whose pin nobody wants any more. */
const CALLED_OFF = new Error("nobody wants this pin any more");

/** The queues of what is to be done for pins: have them at the backend, tell the network, and let them go. */
export class PinWork {
  readonly #parts: PinWorkParts;
  readonly #options: PinWorkOptions;
  readonly #busy = new Map<string, AbortController>();
  /** Of pins that somebody may have changed while an attempt was under way. */
  readonly #doubtful = new Set<string>();
  readonly #underWay = new Map<string, { readonly root: CID; readonly progress: PinProgress }>();
  readonly #provides: PinQueue;
  readonly #queues: readonly PinQueue[];

  constructor(parts: PinWorkParts, options: PinWorkOptions) {
    this.#parts = parts;
    this.#options = options;
    const { pinsMax, pinsPerSecondMax, pinRetry, providesMax, provideRetry, unpinsMax } = options;
    const shared: Omit<PinQueueParts, "attempt"> = {
      ...parts,
      busy: this.#busy,
      onWoken: () => this.#fill(),
      onEnd: (pin, outcome, isNoted) => this.#end(pin, outcome, isNoted),
    };
    const unlimited = { wishesPerSecondMax: Number.MAX_SAFE_INTEGER };
    this.#provides = new PinQueue(
      { ...shared, attempt: (pin, { signal }) => this.#provide(pin, signal) },
      { step: "provide", workers: providesMax, retry: provideRetry, ...unlimited },
    );
    const slow = { quietMs: options.pinQuietMs, slowMax: options.pinsSlowMax };
    this.#queues = [
      new PinQueue(
        { ...shared, attempt: (pin, control) => this.#pin(pin, control) },
        { step: "pin", workers: pinsMax, wishesPerSecondMax: pinsPerSecondMax, retry: pinRetry, slow },
      ),
      this.#provides,
      new PinQueue(
        { ...shared, attempt: (pin, { signal }) => this.#unpin(pin, signal) },
        { step: "unpin", workers: unpinsMax, retry: pinRetry, ...unlimited },
      ),
    ];
  }

  start(): void {
    for (const queue of this.#queues) queue.start();
  }

  /** Somebody else has changed something in the store. */
  fill(): void {
    for (const key of this.#busy.keys()) this.#doubtful.add(key);
    this.#fill();
  }

  resume(): void {
    for (const queue of this.#queues) queue.resume();
  }

  /** Ends the attempt that is under way for this root: nobody wants it any more. */
  callOff(root: CID): void {
    this.#busy.get(pinKeyOf(root))?.abort(CALLED_OFF);
  }

  progressOf(root: CID): PinProgress | undefined {
    return this.#underWay.get(pinKeyOf(root))?.progress;
  }

  /** Of each pin that an attempt is under way for. */
  rootsUnderWay(): readonly CID[] {
    return [...this.#underWay.values()].map(({ root }) => root);
  }

  async close(): Promise<void> {
    const closed = this.#queues.map((queue) => queue.close());
    for (const controller of this.#busy.values()) controller.abort();
    await Promise.all(closed);
  }

  #fill(): void {
    for (const queue of this.#queues) queue.fill();
  }

  async #pin(pin: QueuedPin, { signal, onBlocks }: AttemptControl): Promise<readonly PinOutcome[]> {
    const { metrics, clock, provider, pinner } = this.#parts;
    const { pinStallMs, pinBytesMax } = this.#options;
    const key = pinKeyOf(pin.root);
    const { recursive, lane, source } = pin;
    // Before anything is asked: what another one is asked afterwards must not count as made by that.
    const repositoryId = this.#repositoryId();
    let made: readonly PinOutcome[] = [];
    const onAbsent = (): void => void (made = [{ kind: "made", repositoryId }]);
    if (source === "sidecar") metrics.sidecar.promotionAttempts++;
    const onProgress = (progress: PinProgress): void => {
      this.#underWay.set(key, { root: pin.root, progress });
      onBlocks(progress.blocks);
    };
    onProgress({ blocks: 0, bytes: undefined });
    let held: PinProgress;
    try {
      const bytesMax = isWish(lane.source) ? pinBytesMax : undefined;
      const limits = { stallMs: pinStallMs, bytesMax };
      held = await attemptPin(this.#parts, pin, { signal, ...limits, onProgress, onAbsent });
    } catch (err) {
      // Perhaps too late: then it is to be ended as ours.
      if (signal.reason === CALLED_OFF) return made;
      const isStalled = isHoldfastError(err) && err.code === "UPSTREAM_TIMEOUT";
      if (source === "sidecar" && isStalled) metrics.sidecar.promotionsStalled++;
      throw err;
    } finally {
      this.#underWay.delete(key);
    }
    if (pinner.repositoryId !== repositoryId) throw unavailable("the backend has become another repository");
    const provides = provider !== undefined;
    return [{ kind: "pinned", recursive, atMs: clock.nowMs(), provides, heldBytes: held.bytes }, ...made];
  }

  async #provide({ root }: QueuedPin, signal: AbortSignal): Promise<readonly PinOutcome[]> {
    const { provider, clock } = this.#parts;
    if (provider === undefined) return [{ kind: "not-provided", problem: "there is no network" }];
    const { provideTimeoutMs } = this.#options;
    await this.#inTime(provideTimeoutMs, signal, (both) => provider.provide(root, { signal: both }));
    return [{ kind: "provided", atMs: clock.nowMs() }];
  }

  /** A pin that the repository had before us, or that another one has, is not ours to end (R33). */
  async #unpin({ root, madeIn }: QueuedPin, signal: AbortSignal): Promise<readonly PinOutcome[]> {
    const { pinner } = this.#parts;
    const { unpinTimeoutMs } = this.#options;
    if (madeIn === this.#repositoryId())
      await this.#inTime(unpinTimeoutMs, signal, (both) => pinner.unpin(root, { signal: both }));
    return [{ kind: "unpinned" }];
  }

  /** @throws HoldfastError `BACKEND_UNAVAILABLE` while it is not known. */
  #repositoryId(): string {
    const { repositoryId } = this.#parts.pinner;
    if (repositoryId === undefined) throw unavailable("the backend has not said yet which repository it is");
    return repositoryId;
  }

  async #inTime(
    timeoutMs: number,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const timeout = new AbortController();
    const cancel = this.#parts.timers.after(timeoutMs, () => {
      timeout.abort(new HoldfastError("UPSTREAM_TIMEOUT", "the backend did not answer in time"));
    });
    try {
      await work(AbortSignal.any([signal, timeout.signal]));
    } finally {
      cancel();
    }
  }

  #end(pin: QueuedPin, outcome: PinOutcome | undefined, isNoted: boolean): void {
    if (outcome !== undefined && isNoted) this.#count(pin, outcome);
    const pinned = isNoted && outcome?.kind === "pinned" ? outcome : undefined;
    this.#parts.onChanged(pin.root, pinned !== undefined, pinned?.heldBytes);
    const isDoubtful = this.#doubtful.delete(pinKeyOf(pin.root));
    if (isDoubtful || !isNoted || outcome === undefined || !ENDS.has(outcome.kind)) this.#fill();
    else if (pinned?.provides === true) this.#provides.fill(pin.lane.source);
  }

  #count({ source, step, madeIn }: QueuedPin, outcome: PinOutcome): void {
    const { pins, sidecar } = this.#parts.metrics;
    const isPromotion = source === "sidecar" && step === "pin";
    switch (outcome.kind) {
      case "pinned":
        pins.pinned++;
        if (isPromotion) sidecar.promotionsSucceeded++;
        break;
      case "failed":
      case "dead":
        if (step === "pin") pins.attemptsFailed++;
        if (step === "provide") pins.providesFailed++;
        if (outcome.kind === "dead") pins.dead++;
        // Given up for what it is, not because nobody had it.
        if (outcome.kind === "dead" && outcome.attempts < this.#options.pinRetry.attemptsMax) pins.rejected++;
        if (isPromotion) sidecar.promotionsFailed++;
        break;
      case "provided":
        pins.provided++;
        break;
      case "not-provided":
        pins.providesFailed++;
        break;
      case "unpinned":
        if (madeIn !== undefined) pins.unpinned++;
        break;
      case "made":
      case "lost":
      case "retried":
        // No attempt comes to these.
        break;
    }
  }
}

function unavailable(message: string): HoldfastError {
  return new HoldfastError("BACKEND_UNAVAILABLE", message);
}
