import { type EventSigner, type NostrEvent, wireEventOf } from "@holdfast/core";
import type WebSocket from "ws";
import type { EventFilter, PublishAnswer, TakenEvent } from "../../announce/relays.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { ByteRate } from "./byte-rate.ts";
import { EventRate } from "./event-rate.ts";
import { FrameQueue } from "./frame-queue.ts";
import { parseRelayFrame, prefixOf, type RelayFrame } from "./relay-frames.ts";
import { Subscription } from "./subscription.ts";

export interface RelaySessionParts {
  /** Open. */
  readonly socket: WebSocket;
  readonly url: string;
  /** For relays that want to know who we are (NIP-42). Absent: they are not told. */
  readonly signer: EventSigner | undefined;
  /** Called for each frame that nobody can use. */
  readonly onDropped: () => void;
  readonly timers: Clock & Timers;
  readonly logger: Logger;
}

export interface RelaySessionOptions {
  /** Frames that are handled, whatever they are: each costs the main thread a little. */
  readonly framesPerSecond: number;
  /** Bytes that are read, also of frames that are dropped. */
  readonly bytesPerSecond: number;
  readonly eventsAtOnce: number;
  /** A frame with more is dropped unread. */
  readonly frameBytesMax: number;
  readonly queueBytesMax: number;
  readonly pingMs: number;
  /** For an OK, a challenge, the end of a page. */
  readonly answerMsMax: number;
}

/** The kind of an event that answers a challenge. */
const AUTH_KIND = 22_242;
const FRAMES_PER_TURN = 8;
/** Frames that make no sense, after which it makes no sense to listen. */
const USELESS_FRAMES_MAX = 1_000;
const PUBLISHING_MAX = 64;
/** A relay that let the time for an answer pass is given no events for so many times as long: they would hold up all others. */
const SILENCE_FACTOR = 20;
/** Some relays take a small limit for none. */
const EVENTS_UNASKED_MAX = 2_000;

interface Ok {
  readonly isAccepted: boolean;
  readonly message: string;
}

/** One connection to a relay, from its opening to its end. */
export class RelaySession {
  /** Settles with the reason when the connection has ended. */
  readonly ended: Promise<string>;
  readonly #parts: RelaySessionParts;
  readonly #options: RelaySessionOptions;
  readonly #queue: FrameQueue;
  readonly #rate: EventRate;
  readonly #byteRate: ByteRate;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #acks = new Map<string, (ok: Ok | undefined) => void>();
  readonly #challenge = Promise.withResolvers<undefined>();
  #challengeText: string | undefined;
  #authentication: { readonly challenge: string; readonly isAccepted: Promise<boolean> } | undefined;
  #subscriptionCount = 0;
  #uselessFrames = 0;
  #missedPings = 0;
  #lastOkAtMs = 0;
  #silentUntilMs = 0;
  #cancelPing: () => void;
  #isEnded = false;
  #isTooFast = false;
  #end: (reason: string) => void;

  constructor(parts: RelaySessionParts, options: RelaySessionOptions) {
    const { socket, timers } = parts;
    this.#parts = parts;
    this.#options = options;
    this.#rate = new EventRate(timers, { perSecond: options.framesPerSecond, atOnce: options.eventsAtOnce });
    this.#byteRate = new ByteRate(timers, { perSecond: options.bytesPerSecond }, (isExceeded) => {
      this.#isTooFast = isExceeded;
      this.#pauseOrResume();
    });
    this.#queue = new FrameQueue(
      { handle: (frame) => this.#handleInTurn(frame), setPaused: () => this.#pauseOrResume() },
      { bytesMax: options.queueBytesMax, framesPerTurn: FRAMES_PER_TURN },
    );
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#end = resolve;
    socket
      .on("message", (data) => {
        // One buffer, as long as the socket's binary type is not changed.
        if (Buffer.isBuffer(data)) this.#onMessage(data);
      })
      .on("pong", () => (this.#missedPings = 0))
      .on("error", (err) => this.close(err.message))
      .once("close", (code) => this.#onEnd(`the relay closed the connection (${code})`));
    this.#cancelPing = timers.after(options.pingMs, () => this.#ping());
  }

  get hasEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * Asks for events: `stored` of the result settles after the last one that the relay had, `closed` when it sends no more.
   *
   * @param take must not reject.
   */
  subscribe(
    filters: readonly (EventFilter & { readonly limit: number })[],
    take: (event: unknown) => Promise<TakenEvent>,
  ): Subscription {
    const id = `holdfast-${++this.#subscriptionCount}`;
    const subscription = new Subscription({
      take,
      timers: this.#parts.timers,
      stallMsMax: this.#options.answerMsMax,
      storedEventsMax: filters.reduce((sum, { limit }) => sum + limit, EVENTS_UNASKED_MAX),
      onClose: (hasEnded) => {
        this.#subscriptions.delete(id);
        if (!hasEnded) this.#send(["CLOSE", id]);
      },
    });
    this.#subscriptions.set(id, subscription);
    if (this.#isEnded) subscription.end("the connection has ended");
    else this.#send(["REQ", id, ...filters]);
    return subscription;
  }

  /** Gives an event to the relay and waits for the OK with its id (R30); authenticates if the relay wants that. */
  async publish(event: NostrEvent): Promise<PublishAnswer> {
    if (this.#acks.size >= PUBLISHING_MAX)
      return { outcome: "unknown", message: "too many are on their way" };
    const askedAtMs = this.#parts.timers.nowMs();
    if (askedAtMs < this.#silentUntilMs)
      return { outcome: "unknown", message: "it said nothing to the last ones" };
    let ok = await this.#ask("EVENT", event);
    if (ok !== undefined && prefixOf(ok.message) === "auth-required" && (await this.authenticate()))
      ok = await this.#ask("EVENT", event);
    if (ok === undefined && this.#lastOkAtMs < askedAtMs)
      this.#silentUntilMs = this.#parts.timers.nowMs() + SILENCE_FACTOR * this.#options.answerMsMax;
    return answerOf(ok);
  }

  /** Tells the relay who we are. False when it does not ask, or does not accept it. */
  async authenticate(): Promise<boolean> {
    const { signer, timers, url } = this.#parts;
    if (signer === undefined) return false;
    await this.#orTooLate(this.#challenge.promise);
    const challenge = this.#challengeText;
    if (challenge === undefined) return false;
    if (this.#authentication?.challenge !== challenge) {
      const event = signer.sign({
        kind: AUTH_KIND,
        createdAtS: Math.floor(timers.nowMs() / 1000),
        tags: [
          ["relay", url],
          ["challenge", challenge],
        ],
        content: "",
      });
      const isAccepted = this.#ask("AUTH", event).then((ok) => ok?.isAccepted === true);
      this.#authentication = { challenge, isAccepted };
    }
    const { isAccepted } = this.#authentication;
    // Refused, it is tried again next time: perhaps somebody lets us in meanwhile.
    if (!(await isAccepted) && this.#authentication?.isAccepted === isAccepted)
      this.#authentication = undefined;
    return isAccepted;
  }

  close(reason: string): void {
    this.#onEnd(reason);
    // Terminated, not closed: a relay that does not answer would keep the connection for 30 s.
    this.#parts.socket.terminate();
  }

  #send(message: readonly unknown[]): void {
    const { socket } = this.#parts;
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  }

  #ask(type: "EVENT" | "AUTH", event: NostrEvent): Promise<Ok | undefined> {
    const { promise, resolve } = Promise.withResolvers<Ok | undefined>();
    this.#acks.set(event.id, resolve);
    if (this.#isEnded) resolve(undefined);
    this.#send([type, wireEventOf(event)]);
    return this.#orTooLate(promise).finally(() => this.#acks.delete(event.id));
  }

  async #orTooLate<T>(answer: Promise<T>): Promise<T | undefined> {
    const tooLate = Promise.withResolvers<undefined>();
    const cancel = this.#parts.timers.after(this.#options.answerMsMax, () => tooLate.resolve(undefined));
    try {
      return await Promise.race([answer, tooLate.promise]);
    } finally {
      cancel();
    }
  }

  #onMessage(data: Buffer): void {
    this.#missedPings = 0;
    this.#byteRate.note(data.byteLength);
    if (data.byteLength > this.#options.frameBytesMax) this.#parts.onDropped();
    else this.#queue.push(data);
  }

  #pauseOrResume(): void {
    const { socket } = this.#parts;
    if (this.#isEnded) return;
    if (this.#isReadingPaused) socket.pause();
    else socket.resume();
  }

  get #isReadingPaused(): boolean {
    return this.#isTooFast || this.#queue.isPaused;
  }

  #handleInTurn(data: Buffer): Promise<void> | undefined {
    const turn = this.#rate.wait();
    if (turn !== undefined) return turn.then(() => this.#handle(data));
    this.#handle(data);
    return undefined;
  }

  #handle(data: Buffer): void {
    const frame = parseRelayFrame(data.toString("utf8"));
    if (frame.kind !== "event") {
      this.#handleAnswer(frame);
      return;
    }
    const subscription = this.#subscriptions.get(frame.subscription);
    if (subscription !== undefined) this.#rate.track(subscription.take(frame.event));
  }

  #handleAnswer(frame: Exclude<RelayFrame, { kind: "event" }>): void {
    const { logger, onDropped } = this.#parts;
    switch (frame.kind) {
      case "eose":
        this.#subscriptions.get(frame.subscription)?.noteStoredSent();
        return;
      case "closed":
        this.#subscriptions.get(frame.subscription)?.end(frame.message);
        return;
      case "ok":
        this.#lastOkAtMs = this.#parts.timers.nowMs();
        this.#acks.get(frame.eventId)?.(frame);
        return;
      case "auth":
        this.#challengeText = frame.challenge;
        this.#challenge.resolve(undefined);
        return;
      case "notice":
        logger.debug({ notice: frame.message }, "relay says");
        return;
      case "other":
        onDropped();
        if (++this.#uselessFrames > USELESS_FRAMES_MAX) this.close("it sends what no relay sends");
        return;
    }
  }

  /** A relay that is silent, or sends a frame a byte at a time, answers no pings. */
  #ping(): void {
    if (this.#isEnded) return;
    // What we do not read cannot be answered.
    if (!this.#isReadingPaused && ++this.#missedPings > 2) {
      this.close("the relay does not answer");
      return;
    }
    this.#parts.socket.ping();
    this.#cancelPing = this.#parts.timers.after(this.#options.pingMs, () => this.#ping());
  }

  #onEnd(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#cancelPing();
    this.#queue.close();
    this.#byteRate[Symbol.dispose]();
    this.#challenge.resolve(undefined);
    for (const resolve of this.#acks.values()) resolve(undefined);
    for (const subscription of this.#subscriptions.values()) subscription.end(reason);
    this.#end(reason);
  }
}

function answerOf(ok: Ok | undefined): PublishAnswer {
  if (ok === undefined) return { outcome: "unknown", message: "no OK in time" };
  const { isAccepted, message } = ok;
  const prefix = prefixOf(message);
  // It has this event, or a newer one of the same subject, which can only be ours.
  if (isAccepted || prefix === "duplicate" || prefix === "replaced") return { outcome: "confirmed", message };
  const isLater =
    prefix === "rate-limited" || prefix === "error" || prefix === "auth-required" || prefix === "";
  return { outcome: isLater ? "later" : "refused", message };
}
