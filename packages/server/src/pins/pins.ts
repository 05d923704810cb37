import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE } from "../content/block-hash.ts";
import type { BlockStore } from "../content/block-store.ts";
import type { Clock, Timers } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Pin, PinClaim, PinRequest, PinState } from "./pin.ts";
import { PinAudit, type PinAuditOptions } from "./audit/pin-audit.ts";
import type { PinRules } from "./pin-row.ts";
import type { AddedPin, PinsFilter, PinsPage, PinStore, PinTotal } from "./pin-store.ts";
import { PinWaiters } from "./pin-waiters.ts";
import { PinWork, type PinWorkOptions, type Provider } from "./queue/pin-work.ts";
import type { Pinner, PinProgress } from "./pinner.ts";

export interface PinsParts {
  readonly store: PinStore;
  readonly pinner: Pinner;
  /** Given when it is the repository itself: what is stored in it is pinned. */
  readonly vault?: Pick<BlockStore, "has">;
  /** Told of each wish before and after it is committed: what it needs must not be swept away meanwhile. */
  readonly onWished?: (roots: readonly CID[]) => void;
  /** Tells the network of what is newly pinned. Absent: there is no network. */
  readonly provider?: Provider;
  /** Whether the backend answers. Default: always. */
  readonly isBackendUp?: () => boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "pins" | "sidecar">;
}

export interface PinsOptions extends PinWorkOptions, PinAuditOptions {
  /** Wishes whose content is not here yet; one more is refused. */
  readonly queuedMax: number;
  /** Those who wait for a pin at once. */
  readonly waitersMax: number;
}

/** What one transaction did to claims. */
export interface PinChanges {
  readonly added: readonly (AddedPin & { readonly root: CID })[];
  /** Roots of which a claim has ended. */
  readonly released: readonly CID[];
}

const NOTHING_NEW: AddedPin = { isNew: false, isNewlyPinned: false };

type PinnedListener = (pin: Pin, heldBytes: number | undefined) => void;

/** `pinning`: an attempt is under way. `failed`: it is tried again at `nextAttemptAtMs`. */
type PinStage = PinState | "pinning" | "failed";

export interface PinView {
  readonly pin: Pin;
  readonly stage: PinStage;
  /** Of the attempt that is under way. */
  readonly progress: PinProgress | undefined;
}

/**
 * What must stay, how far it is, what failed and when it is tried again. Wishes from every door meet here: one root is one
 * pin, whoever wants it, and lives as long as somebody claims it.
 */
export class Pins implements AsyncDisposable {
  readonly #parts: PinsParts;
  readonly #options: PinsOptions;
  readonly #rules: PinRules;
  readonly #work: PinWork;
  readonly #audit: PinAudit;
  readonly #waiters: PinWaiters;
  readonly #listeners = new Set<PinnedListener>();

  constructor(parts: PinsParts, options: PinsOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#rules = { storedIsPinned: parts.vault !== undefined, provides: parts.provider !== undefined };
    this.#waiters = new PinWaiters((root) => parts.store.get(root), options);
    const shared = { ...parts, isBackendUp: parts.isBackendUp ?? (() => true) };
    const onChanged = (root: CID, isPinned: boolean, heldBytes?: number): void =>
      this.#noteChanged(root, isPinned, heldBytes);
    this.#work = new PinWork({ ...shared, onChanged }, options);
    this.#audit = new PinAudit(
      {
        ...shared,
        onBackendBack: () => this.#work.resume(),
        onLost: () => this.#work.fill(),
      },
      options,
    );
  }

  /** Begins to work on what is due, in the background. Until then everything else works. */
  start(): void {
    this.#work.start();
    this.#audit.start();
  }

  /**
   * Takes wishes, all or none; durable when it settles. A wish for what is a pin already adds its claim to it.
   *
   * @throws HoldfastError `OVERLOADED` when too many wait, `STORE_FAILED`, `SHUTTING_DOWN`.
   */
  async add(requests: readonly PinRequest[]): Promise<void> {
    await this.commit(requests, async (rules) => {
      const added = await this.#parts.store.add(requests, rules);
      return {
        added: requests.map(({ root }, index) => ({ root, ...(added[index] ?? NOTHING_NEW) })),
        released: [],
      };
    });
  }

  /**
   * As {@link add} and {@link release}, for whoever keeps more with its claims and commits all of it in one transaction.
   *
   * @param wishes what is to be added; may be none.
   * @throws HoldfastError as {@link add}; whatever `write` throws.
   */
  async commit<Changes extends PinChanges>(
    wishes: readonly Pick<PinRequest, "root" | "isStored">[],
    write: (rules: PinRules) => Promise<Changes>,
  ): Promise<Changes> {
    const { store, metrics, onWished } = this.#parts;
    if (wishes.some(({ isStored }) => !isStored) && this.#queued() >= this.#options.queuedMax) {
      throw new HoldfastError("OVERLOADED", "too many pins wait already");
    }
    const roots = wishes.map(({ root }) => root);
    onWished?.(roots);
    const changes = await write(this.#rules);
    onWished?.(roots);
    for (const { root, isNew, isNewlyPinned } of changes.added) {
      if (isNew) metrics.pins.added++;
      if (isNewlyPinned) metrics.pins.pinned++;
      this.#noteChanged(root, isNewlyPinned);
    }
    for (const root of changes.released) {
      if (store.get(root) === undefined) {
        metrics.pins.released++;
        this.#work.callOff(root);
      }
      this.#noteChanged(root, false);
    }
    this.#work.fill();
    return changes;
  }

  /** The pin of exactly this root. Blocks below a pinned root have none. Costs microseconds. */
  get(root: CID): Pin | undefined {
    return this.#parts.store.get(root);
  }

  /** Whether the repository has it, as far as is known without asking it: it was confirmed, and was not found lost since. */
  async isPinned(root: CID): Promise<boolean> {
    const pin = this.get(root);
    if (pin === undefined || (pin.state !== "pinned" && pin.state !== "provided")) return false;
    const { vault } = this.#parts;
    return vault === undefined || root.multihash.code === IDENTITY_CODE || vault.has(root);
  }

  /** The pin as people see it, with what is going on right now. */
  view(root: CID): PinView | undefined {
    const pin = this.get(root);
    return pin && this.viewOf(pin);
  }

  /** Of each pin whose stage is `pinning`; a few at a time. */
  rootsUnderWay(): readonly CID[] {
    return this.#work.rootsUnderWay();
  }

  viewOf(pin: Pin): PinView {
    const progress = this.#work.progressOf(pin.root);
    const isOpen = pin.state === "queued" || pin.state === "stored";
    const stage = !isOpen ? pin.state : progress ? "pinning" : pin.attempts > 0 ? "failed" : pin.state;
    return { pin, stage, progress };
  }

  /** What this holder claims, if it does. Costs microseconds. */
  claim(root: CID, claim: Pick<PinClaim, "source" | "holder">): PinClaim | undefined {
    return this.#parts.store.claim(root, claim);
  }

  /** Oldest first; only the first thousand. */
  claims(root: CID): readonly PinClaim[] {
    return this.#parts.store.claims(root);
  }

  list(options: PinsFilter & { readonly limit: number; readonly after?: number | undefined }): PinsPage {
    return this.#parts.store.list(options);
  }

  totals(): readonly PinTotal[] {
    return this.#parts.store.totals();
  }

  /**
   * Settles with the pin when it has come to the state or further, or is dead; with undefined when there is none (any more).
   *
   * @throws HoldfastError `OVERLOADED` when too many wait; the signal's reason when it aborts.
   */
  waitFor(
    root: CID,
    state: PinState,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Pin | undefined> {
    return this.#waiters.wait(root, state, signal);
  }

  /**
   * Ends one claim, durably. Without another one the pin is over: the backend is told behind the answer. False when there
   * was no such claim.
   *
   * @throws HoldfastError as {@link add}.
   */
  async release(root: CID, claim: Pick<PinClaim, "source" | "holder">): Promise<boolean> {
    const { store, clock } = this.#parts;
    const { released } = await this.commit([], async () => {
      const isReleased = await store.release(root, claim, clock.nowMs());
      return { added: [], released: isReleased ? [root] : [] };
    });
    return released.length > 0;
  }

  /** Another attempt, now, for a pin that is dead or rests. False when there is nothing to try. @throws as {@link add}. */
  async retry(root: CID): Promise<boolean> {
    const { store, clock } = this.#parts;
    const [isNoted = false] = await store.settle([
      { root, outcome: { kind: "retried", atMs: clock.nowMs() } },
    ]);
    if (isNoted) this.#work.resume();
    return isNoted;
  }

  /**
   * Calls the listener with each root that is newly pinned here, durable by then; it must not throw or wait.
   *
   * @param listener gets what the pin holds in bytes, too, if the backend told.
   */
  onPinned(listener: PinnedListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Ends what is under way; it is due again at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#audit.close(), this.#work.close()]);
  }

  #queued(): number {
    return this.totals().reduce((sum, { state, pins }) => (state === "queued" ? sum + pins : sum), 0);
  }

  #noteChanged(root: CID, isNewlyPinned: boolean, heldBytes?: number): void {
    this.#waiters.notify(root);
    const pin = isNewlyPinned && this.#listeners.size > 0 ? this.get(root) : undefined;
    if (pin !== undefined) for (const listener of this.#listeners) listener(pin, heldBytes);
  }
}

/** The sum of some totals. */
export function sumOf(
  totals: readonly PinTotal[],
  isCounted: (total: PinTotal) => boolean,
): { readonly pins: number; readonly blockBytes: number } {
  const counted = totals.filter((total) => isCounted(total));
  return {
    pins: counted.reduce((sum, { pins }) => sum + pins, 0),
    blockBytes: counted.reduce((sum, { blockBytes }) => sum + blockBytes, 0),
  };
}
