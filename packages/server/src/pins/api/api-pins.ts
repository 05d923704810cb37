import { HoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { type ApiPin, type ApiPinOrder, type ApiPinState, apiPinStateOf } from "./api-pin.ts";
import type {
  AddApiPin,
  ApiPinChanges,
  ApiPinLimits,
  ApiPinsCriteria,
  ApiPinStore,
} from "./api-pin-store.ts";
import type { Pins, PinView } from "../pins.ts";

export const API_PIN_STATUSES = ["queued", "pinning", "pinned", "failed"] as const;
export type ApiPinStatus = (typeof API_PIN_STATUSES)[number];

export interface ApiPinView {
  readonly apiPin: ApiPin;
  readonly status: ApiPinStatus;
  /** What there is to say about the status, for people. */
  readonly details: string | undefined;
}

export interface ApiPinsFilter extends ApiPinsCriteria {
  readonly statuses: readonly ApiPinStatus[];
}

export interface ApiPinsParts {
  readonly store: ApiPinStore;
  readonly pins: Pick<Pins, "commit" | "viewOf" | "rootsUnderWay" | "onPinned" | "retry">;
  /**
   * Told which peers have the content of an order, as it says. Must not throw or wait.
   *
   * @param onReached to be called when one of them is connected, now or later.
   */
  readonly onOrigins: (origins: readonly string[], onReached: () => void) => void;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly newId: () => string;
  readonly logger: Logger;
}

export interface ApiPinsOptions extends ApiPinLimits {
  /** Lists that look at every order of their owner, at once. */
  readonly scansMax: number;
  /** Until what could not be written is tried again. */
  readonly retryMs: number;
  /** When an origin is connected, it is looked so often whether an attempt has failed nevertheless, */
  readonly originLookMs: number;
  /** so many times. */
  readonly originLooksMax: number;
}

/**
 * The pins that clients of the Pinning Service API manage. Each owner, which is who has a token, sees its own orders only.
 *
 * @see https://ipfs.github.io/pinning-services-api-spec/
 */
export class ApiPins implements AsyncDisposable {
  readonly #parts: ApiPinsParts;
  readonly #options: ApiPinsOptions;
  #stopListening = (): void => {};
  #cancelRetry = (): void => {};
  /** Of looks at attempts that began without an origin. */
  readonly #cancelLooks = new Set<() => void>();
  #releasing: Promise<void> | undefined;
  #isClosed = false;
  #scans = 0;

  constructor(parts: ApiPinsParts, options: ApiPinsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Lets go, from now on, what was kept for replacements that are pinned; also for those of before the last stop. */
  start(): void {
    this.#stopListening = this.#parts.pins.onPinned(() => this.#releaseOutlived());
    this.#releaseOutlived();
  }

  /**
   * Takes an order; it and its claim are durable when this settles. The same root again is another order.
   *
   * @throws HoldfastError `INSUFFICIENT_FUNDS` when the owner has as many as are allowed; as `Pins.add`.
   */
  async add(owner: string, order: ApiPinOrder): Promise<ApiPinView> {
    return this.#take(owner, order, (request) => this.#parts.store.add(request));
  }

  /**
   * Takes an order in place of another one, whose id is over then. What the old one has pinned stays pinned until the new one is.
   *
   * @throws HoldfastError `PIN_NOT_FOUND`; as {@link add}.
   */
  async replace(owner: string, id: string, order: ApiPinOrder): Promise<ApiPinView> {
    const view = await this.#take(owner, order, (request) =>
      this.#parts.store.replace({ ...request, replacedId: id }),
    );
    this.#releaseOutlived();
    return view;
  }

  /** Ends an order. @throws HoldfastError `PIN_NOT_FOUND`; as `Pins.add`. */
  async remove(owner: string, id: string): Promise<void> {
    const { pins, store, clock } = this.#parts;
    assertDone(await pins.commit([], () => store.remove(owner, id, clock.nowMs())));
  }

  /** @throws HoldfastError `PIN_NOT_FOUND`. */
  get(owner: string, id: string): ApiPinView {
    const apiPin = this.#parts.store.get(owner, id);
    if (apiPin === undefined) throw notFound();
    return this.#viewOf(apiPin);
  }

  /**
   * @returns `count`: of all that match, on whatever page; `views`: the newest of them first.
   * @throws HoldfastError `OVERLOADED` when too many look for names and meta; the signal's reason when it aborts.
   */
  async list(
    owner: string,
    filter: ApiPinsFilter,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly count: number; readonly views: readonly ApiPinView[] }> {
    const { statuses, ...rest } = filter;
    const query = { owner, ...rest, ...this.#statesOf(statuses) };
    const isScan = filter.name !== undefined || filter.meta !== undefined;
    if (isScan && this.#scans >= this.#options.scansMax) {
      throw new HoldfastError("OVERLOADED", "too many searches at once");
    }
    this.#scans += isScan ? 1 : 0;
    try {
      const { count, pins } = await this.#parts.store.list(query, options);
      return { count, views: pins.map((apiPin) => this.#viewOf(apiPin)) };
    } finally {
      this.#scans -= isScan ? 1 : 0;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#stopListening();
    this.#cancelRetry();
    for (const cancel of this.#cancelLooks) cancel();
    await this.#releasing;
  }

  async #take(
    owner: string,
    order: ApiPinOrder,
    write: (request: AddApiPin) => Promise<ApiPinChanges>,
  ): Promise<ApiPinView> {
    const { pins, clock, newId, onOrigins } = this.#parts;
    const { perOwnerMax, perOwnerAndRootMax } = this.#options;
    const id = newId();
    const changes = await pins.commit([{ root: order.root, isStored: false }], (rules) =>
      write({ owner, id, order, nowMs: clock.nowMs(), limits: { perOwnerMax, perOwnerAndRootMax }, rules }),
    );
    assertDone(changes);
    if (order.origins.length > 0) {
      onOrigins(order.origins, () => this.#tryWithOrigin(owner, id));
    }
    return this.get(owner, id);
  }

  /** `queued` and `pinning` are the same to the store: which pins are at work right now is in no database. */
  #statesOf(statuses: readonly ApiPinStatus[]) {
    const isQueued = statuses.includes("queued");
    const isPinning = statuses.includes("pinning");
    const states: ApiPinState[] = [
      ...(isQueued || isPinning ? (["open"] as const) : []),
      ...(statuses.includes("pinned") ? (["pinned"] as const) : []),
      ...(statuses.includes("failed") ? (["failed"] as const) : []),
    ];
    if (isQueued === isPinning) return { states };
    return { states, openAmong: { roots: this.#parts.pins.rootsUnderWay(), isAmong: isPinning } };
  }

  #viewOf(apiPin: ApiPin): ApiPinView {
    const view = this.#parts.pins.viewOf(apiPin.pin);
    const state = apiPinStateOf(apiPin.pin);
    const status = state !== "open" ? state : view.stage === "pinning" ? "pinning" : "queued";
    return { apiPin, status, details: detailsOf(view) };
  }

  /**
   * A peer that has the content is connected: an attempt that fails because it began without it, or asked it too early, need not
   * rest. Twice at most: each counts.
   */
  #tryWithOrigin(
    owner: string,
    id: string,
    left = { looks: this.#options.originLooksMax, retries: 2 },
  ): void {
    const { store, pins, timers, logger } = this.#parts;
    const apiPin = this.#isClosed ? undefined : store.get(owner, id);
    if (apiPin === undefined || apiPinStateOf(apiPin.pin) !== "open") return;
    const isResting = pins.viewOf(apiPin.pin).stage === "failed";
    if (isResting) {
      pins.retry(apiPin.pin.root).catch((err: unknown) => {
        logger.debug({ err }, "a pin whose origin was reached stays at rest");
      });
    }
    const next = { looks: left.looks - 1, retries: left.retries - (isResting ? 1 : 0) };
    if (next.looks <= 0 || next.retries <= 0) return;
    const cancel = timers.after(this.#options.originLookMs, () => {
      this.#cancelLooks.delete(cancel);
      this.#tryWithOrigin(owner, id, next);
    });
    this.#cancelLooks.add(cancel);
  }

  #releaseOutlived(): void {
    const { store, pins, clock, timers, logger } = this.#parts;
    if (this.#isClosed || this.#releasing !== undefined || !store.hasOutlived()) return;
    const release = async (): Promise<void> => {
      while (!this.#isClosed && store.hasOutlived()) {
        await pins.commit([], () => store.releaseOutlived(clock.nowMs()));
      }
    };
    this.#releasing = release()
      .catch((err: unknown) => {
        logger.warn({ err }, "what replaced pins had left could not be released");
        this.#cancelRetry();
        this.#cancelRetry = timers.after(this.#options.retryMs, () => this.#releaseOutlived());
      })
      .finally(() => {
        this.#releasing = undefined;
      });
  }
}

function assertDone({ outcome }: ApiPinChanges): void {
  if (outcome === "absent") throw notFound();
  if (outcome === "exhausted") {
    throw new HoldfastError(
      "INSUFFICIENT_FUNDS",
      "this token has as many pins, in all or of this CID, as it may have",
    );
  }
}

function notFound(): HoldfastError {
  return new HoldfastError("PIN_NOT_FOUND", "this token has no pin with this requestid");
}

function detailsOf({ pin, stage, progress }: PinView): string | undefined {
  const { problem, attempts, nextAttemptAtMs } = pin;
  if (progress !== undefined) {
    const bytes = progress.bytes === undefined ? "" : `, ${progress.bytes} bytes`;
    return `${progress.blocks} blocks${bytes} so far`;
  }
  if (stage === "failed") {
    const again = new Date(nextAttemptAtMs).toISOString();
    return `attempt ${attempts} failed: ${problem ?? "nobody says why"}; it is tried again at ${again}`;
  }
  return problem ?? (stage === "stored" ? "all of it is here, and waits to be pinned" : undefined);
}
