import { setTimeout } from "node:timers/promises";
import type { CID } from "multiformats/cid";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { CidFingerprints } from "./cid-fingerprints.ts";
import type { Pin } from "../pin.ts";
import type { PinOutcome } from "../pin-row.ts";
import type { PinStore } from "../pin-store.ts";
import { LOST } from "../pin-transitions.ts";
import { type Pinner, VAULT_REPOSITORY } from "../pinner.ts";

export interface PinAuditParts {
  readonly store: Pick<PinStore, "list" | "totals" | "settle" | "repositoryId" | "setRepositoryId">;
  readonly pinner: Pick<Pinner, "label" | "repositoryId" | "listPinned">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "pins">;
  /** Whether the backend answers. */
  readonly isBackendUp: () => boolean;
  /** The backend answers again: what waits for it can go on. */
  readonly onBackendBack: () => void;
  /** These were lost, and are to be pinned again. */
  readonly onLost: (roots: readonly CID[]) => void;
}

export interface PinAuditOptions {
  readonly auditIntervalMs: number;
  /** Looks at the state of the backend. */
  readonly lookIntervalMs: number;
  /** After an audit that did not come to its end. */
  readonly auditRetryMs: number;
}

/** Read or compared in less than a millisecond of the thread that answers requests, which then has the next one for others. */
const PINS_AT_ONCE = 100;
const REST_MS = 1;
const LOGGED_PER_PAGE_MAX = 5;

/**
 * Watches over what the backend has confirmed: at the start, when it comes back, when it has become another repository, and
 * every now and then, its list is compared with ours. What is missing from it goes back into the queue, and is said to be lost
 * until it is pinned again.
 */
export class PinAudit {
  readonly #parts: PinAuditParts;
  readonly #options: PinAuditOptions;
  readonly #closing = new AbortController();
  #wasUp = false;
  #nextAuditAtMs = 0;
  #triedId: string | undefined;
  #running: Promise<void> = Promise.resolve();
  #cancelTimer: () => void = () => undefined;

  constructor(parts: PinAuditParts, options: PinAuditOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  start(): void {
    this.#running = this.#look().then(() => {
      if (this.#closing.signal.aborted) return;
      this.#cancelTimer = this.#parts.timers.after(this.#options.lookIntervalMs, () => this.start());
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelTimer();
    await this.#running;
  }

  /** Never throws. */
  async #look(): Promise<void> {
    const { clock, store, pinner, isBackendUp, onBackendBack } = this.#parts;
    const isUp = isBackendUp();
    const isBack = isUp && !this.#wasUp;
    this.#wasUp = isUp;
    if (isBack) {
      this.#nextAuditAtMs = 0;
      onBackendBack();
    }
    if (!isUp || pinner.repositoryId === undefined) return;
    // Another repository is looked at once when it is noticed, and then as often as any.
    const isNew = pinner.repositoryId !== store.repositoryId() && pinner.repositoryId !== this.#triedId;
    if (!isNew && clock.nowMs() < this.#nextAuditAtMs) return;
    this.#triedId = pinner.repositoryId;
    await this.#audit(pinner.repositoryId);
  }

  /** Never throws. */
  async #audit(repositoryId: string): Promise<void> {
    const { store, clock, logger, metrics } = this.#parts;
    const { auditIntervalMs, auditRetryMs } = this.#options;
    const { signal } = this.#closing;
    try {
      const lost = this.#hasConfirmed() ? await this.#compare(repositoryId, signal) : 0;
      if (store.repositoryId() !== repositoryId) await store.setRepositoryId(repositoryId);
      metrics.pins.audits++;
      this.#nextAuditAtMs = clock.nowMs() + auditIntervalMs;
      if (lost > 0) logger.error({ lost }, "pins were lost and are being pinned again");
    } catch (err) {
      if (signal.aborted) return;
      metrics.pins.auditsFailed++;
      this.#nextAuditAtMs = clock.nowMs() + auditRetryMs;
      logger.warn({ err }, "the backend's pins could not be compared with ours");
    }
  }

  /** How many are missing. Nothing counts as missing unless the lists came to their ends (R33). */
  async #compare(repositoryId: string, signal: AbortSignal): Promise<number> {
    const { store, pinner, clock } = this.#parts;
    const listedAtMs = clock.nowMs();
    const recursive = await printsOf(pinner.listPinned({ recursive: true, signal }));
    const direct = await printsOf(pinner.listPinned({ recursive: false, signal }));
    const isThere = (pin: Pin): boolean =>
      recursive.has(pin.root) || (!pin.recursive && direct.has(pin.root));
    const outcome = this.#outcomeOf(repositoryId, listedAtMs);
    let lost = 0;
    let after: number | undefined;
    do {
      signal.throwIfAborted();
      const page = store.list({ limit: PINS_AT_ONCE, after });
      const missing = page.pins.filter((pin) => isConfirmed(pin) && !isThere(pin)).map(({ root }) => root);
      lost += await this.#requeue(missing, outcome);
      after = page.next;
      if (after !== undefined) await setTimeout(REST_MS);
    } while (after !== undefined);
    return outcome.problem === undefined ? 0 : lost;
  }

  async #requeue(roots: readonly CID[], outcome: LostOutcome): Promise<number> {
    if (roots.length === 0) return 0;
    const { store, logger, metrics, onLost } = this.#parts;
    const areNoted = await store.settle(roots.map((root) => ({ root, outcome })));
    const lost = roots.filter((_root, index) => areNoted[index]);
    onLost(lost);
    if (outcome.problem === undefined) return 0;
    metrics.pins.lost += lost.length;
    for (const root of lost.slice(0, LOGGED_PER_PAGE_MAX)) {
      logger.warn({ cid: root.toString() }, "the backend has lost a pin");
    }
    return lost.length;
  }

  #outcomeOf(repositoryId: string, listedAtMs: number): LostOutcome {
    const { store, pinner } = this.#parts;
    // Its blocks are where they were: nothing is lost, the new backend is only to be told.
    if (store.repositoryId() === VAULT_REPOSITORY && repositoryId !== VAULT_REPOSITORY) {
      return { kind: "lost", state: "stored", listedAtMs, problem: undefined };
    }
    const problem = `${LOST}${pinner.label} does not have this pin any more`;
    return { kind: "lost", state: "queued", listedAtMs, problem };
  }

  #hasConfirmed(): boolean {
    return this.#parts.store.totals().some(({ state }) => isConfirmed({ state }));
  }
}

type LostOutcome = Extract<PinOutcome, { readonly kind: "lost" }>;

async function printsOf(cids: AsyncIterable<CID>): Promise<CidFingerprints> {
  const prints = new CidFingerprints();
  let count = 0;
  for await (const cid of cids) {
    prints.add(cid);
    if (++count % PINS_AT_ONCE === 0) await setTimeout(REST_MS);
  }
  return prints;
}

function isConfirmed({ state }: { readonly state: string }): boolean {
  return state === "pinned" || state === "provided";
}
