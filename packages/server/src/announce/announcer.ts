import {
  ANNOUNCEMENT_TAG,
  canBeAnnounced,
  type EventSigner,
  type IpnsName,
  type NostrEvent,
  parseNostrEvent,
  subjectOfCid,
  subjectOfName,
  SUBJECTS_PER_EVENT_MAX,
  wireEventOf,
} from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Clock, Timers } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AnnouncementOutbox, OutgoingAnnouncement, Subject, Walk } from "./announcement-outbox.ts";
import { buildEvent, type EventSources } from "./build-event.ts";
import type { PinWalk } from "./pin-walk.ts";
import type { Relays } from "./relays.ts";

export interface AnnouncerParts extends EventSources {
  readonly outbox: AnnouncementOutbox;
  readonly relays: Pick<Relays, "urls" | "hasConnection" | "publish">;
  readonly signer: EventSigner;
  readonly walk: PinWalk;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "announcements">;
}

export interface AnnouncerOptions {
  readonly kind: number;
  /** Which node this is, for people. */
  readonly source: string;
  /** An announcement has succeeded when so many relays have it. The others are tried for a while longer. */
  readonly confirmationsMin: number;
  /** Announcements on their way at once. */
  readonly sendsMax: number;
  readonly retryMs: { readonly first: number; readonly max: number };
  /** Attempts at relays that do not answer, once enough others have confirmed; and in all. */
  readonly attemptsMax: { readonly afterSuccess: number; readonly inAll: number };
  /** CIDs that were announced are remembered for so long, so that their instants stay strictly increasing. */
  readonly rememberMs: number;
}

/** Relays refuse what is 900 s ahead of their clock. */
const AHEAD_S_MAX = 600;
const POSTPONE_MS = 60_000;
const FAILURE_PAUSE_MS = 5_000;
const FORGET_EVERY_MS = 3_600_000;

/**
 * Announces what is pinned here and the records that were published here. What has to be announced is durable before
 * {@link announceCids} and {@link announceName} settle, and is tried until enough relays have said OK to exactly this event (R30).
 */
export class Announcer implements AsyncDisposable {
  readonly #parts: AnnouncerParts;
  readonly #options: AnnouncerOptions;
  #cancelTimer: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #isClosing = false;
  #hasFailed = false;
  #forgotAtMs = 0;

  constructor(parts: AnnouncerParts, options: AnnouncerOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  get pubkey(): string {
    return this.#parts.signer.pubkey;
  }

  /** Goes on with what waits, of an earlier run too. To be called each time when a relay is there again. */
  resume(): void {
    this.#wake();
  }

  async announceCids(roots: readonly CID[]): Promise<void> {
    const announced = roots.filter(canBeAnnounced);
    if (announced.length === 0) return;
    await this.#queue(
      announced.map((root) => ({ kind: "cid", d: subjectOfCid(root), items: [root.toString()] }) as const),
    );
  }

  /** The record is the one that is held when its turn has come. */
  async announceName(name: IpnsName): Promise<void> {
    await this.#queue([{ kind: "name", d: subjectOfName(name), items: [name.text] }]);
  }

  /** Announces everything again, behind the answer. False when that is under way already. */
  async reannounce(): Promise<boolean> {
    const hasBegun = await this.#parts.walk.begin();
    this.#wake();
    return hasBegun;
  }

  status(): { readonly waiting: number; readonly walk: Walk | undefined } {
    return { waiting: this.#parts.outbox.waiting(), walk: this.#parts.walk.progress };
  }

  /** Lets the announcements on their way end; the others wait for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.#cancelTimer();
    await this.#running;
  }

  async #queue(subjects: readonly Subject[]): Promise<void> {
    // A kind that relays do not replace has nothing cumulative: each event would repeat 50 others for ever.
    const legacy = this.#isAddressable ? [{ kind: "legacy", d: ANNOUNCEMENT_TAG, items: [] } as const] : [];
    await this.#parts.outbox.queue([...subjects, ...legacy], this.#parts.clock.nowMs());
    this.#wake();
  }

  get #isAddressable(): boolean {
    return this.#options.kind >= 30_000 && this.#options.kind < 40_000;
  }

  #wake(): void {
    this.#cancelTimer();
    if (this.#isClosing || this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.#schedule();
    });
  }

  #schedule(): void {
    const { outbox, relays, walk, clock, timers } = this.#parts;
    const nowMs = clock.nowMs();
    const dueAtMs = outbox.nextAttemptAtMs() ?? (walk.progress === undefined ? undefined : nowMs);
    if (this.#isClosing || dueAtMs === undefined || !relays.hasConnection) return;
    const pauseMs = Math.max(this.#hasFailed ? FAILURE_PAUSE_MS : 0, dueAtMs - nowMs);
    this.#cancelTimer();
    this.#cancelTimer = timers.after(pauseMs, () => this.#wake());
  }

  async #run(): Promise<void> {
    const { outbox, relays, clock, walk, logger } = this.#parts;
    this.#hasFailed = false;
    try {
      while (!this.#isClosing && relays.hasConnection) {
        const due = outbox.due(clock.nowMs(), this.#options.sendsMax);
        const hasStepped = await walk.step();
        if (due.length === 0 && !hasStepped) break;
        await Promise.all(due.map((one) => this.#send(one)));
      }
      await this.#forgetOld();
    } catch (err) {
      // The disk refused. What waits is there when it is asked again.
      this.#hasFailed = true;
      logger.error({ err }, "announcements cannot be sent now");
    }
  }

  async #forgetOld(): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    if (this.#isClosing || nowMs < this.#forgotAtMs + FORGET_EVERY_MS) return;
    this.#forgotAtMs = nowMs;
    await this.#parts.outbox.forgetOutgoing(nowMs - this.#options.rememberMs, SUBJECTS_PER_EVENT_MAX);
  }

  async #send(announcement: OutgoingAnnouncement): Promise<void> {
    const { relays, outbox, metrics, clock, logger } = this.#parts;
    const event = await this.#eventOf(announcement);
    if (event === undefined) return;
    const settledRelays = [...announcement.settledRelays];
    const open = relays.urls.filter((url) => !settledRelays.includes(url));
    const answers = await Promise.all(open.map((url) => relays.publish(url, event)));
    let { confirmations } = announcement;
    answers.forEach(({ outcome, message }, index) => {
      const relay = open[index];
      if (relay === undefined) return;
      if (outcome === "confirmed") confirmations++;
      if (outcome === "confirmed" || outcome === "refused") settledRelays.push(relay);
      if (outcome === "refused")
        logger.warn({ relay, message, d: announcement.d }, "relay refused an announcement");
    });
    const attempts = announcement.attempts + 1;
    const isSuccess = confirmations >= this.#options.confirmationsMin;
    if (isSuccess && announcement.confirmations < this.#options.confirmationsMin)
      metrics.announcements.published++;
    // Those that are configured no longer may have settled it, too.
    const hasOpen = relays.urls.some((url) => !settledRelays.includes(url));
    const { afterSuccess, inAll } = this.#options.attemptsMax;
    const isDone = !hasOpen || attempts >= (isSuccess ? afterSuccess : inAll);
    if (isDone && !isSuccess) metrics.announcements.publishFailed++;
    await outbox.settleOutgoing({
      d: announcement.d,
      turn: announcement.turn,
      settledRelays,
      confirmations,
      attempts,
      nextAttemptAtMs: isDone ? undefined : clock.nowMs() + this.#pauseMs(attempts),
    });
  }

  /** The event as it was built before, or a new one. Undefined: not now, or nothing to say. */
  async #eventOf(announcement: OutgoingAnnouncement): Promise<NostrEvent | undefined> {
    const { outbox, clock, signer } = this.#parts;
    const { d, turn, eventJson, createdAtS: lastCreatedAtS } = announcement;
    if (eventJson !== undefined) return parseNostrEvent(JSON.parse(eventJson));
    const nowS = Math.floor(clock.nowMs() / 1000);
    // Of two events of one second relays keep any: each is later than the one before.
    const createdAtS = Math.max(nowS, lastCreatedAtS + 1);
    if (createdAtS > nowS + AHEAD_S_MAX) {
      await outbox.settleOutgoing({ ...announcement, nextAttemptAtMs: clock.nowMs() + POSTPONE_MS });
      return undefined;
    }
    const { kind, source } = this.#options;
    const template = buildEvent(announcement, this.#parts, { kind, source, createdAtS });
    if (template === undefined) {
      await outbox.settleOutgoing({ ...announcement, nextAttemptAtMs: undefined });
      return undefined;
    }
    const event = signer.sign(template);
    await outbox.saveEvent({ d, turn, eventJson: JSON.stringify(wireEventOf(event)), createdAtS });
    return event;
  }

  #pauseMs(attempts: number): number {
    const { first, max } = this.#options.retryMs;
    const pauseMs = Math.min(max, first * 2 ** Math.min(attempts - 1, 20));
    return Math.round(pauseMs * (0.5 + this.#parts.random() / 2));
  }
}
