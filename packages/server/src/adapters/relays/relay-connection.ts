import type { EventSigner, NostrEvent } from "@holdfast/core";
import WebSocket from "ws";
import type { PublishAnswer, RelayReader, RelayStatus } from "../../announce/relays.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { followRelay } from "./follow-relay.ts";
import { fetchRelayLimits, type RelayLimits } from "./relay-limits.ts";
import { RelaySession, type RelaySessionOptions } from "./relay-session.ts";

export interface RelayConnectionParts {
  readonly signer: EventSigner | undefined;
  readonly timers: Clock & Timers;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}

export interface RelayConnectionOptions extends RelaySessionOptions {
  readonly reconnectMs: { readonly first: number; readonly max: number };
  /** A connection that lasted so long starts the pauses anew. */
  readonly stableMs: number;
  /** Before a relay is asked again that refused, or whose events could not be taken. */
  readonly askAgainMs: number;
  /** A frame with more ends the connection. */
  readonly payloadBytesMax: number;
  readonly handshakeMsMax: number;
  /** Events of one page. */
  readonly pageEventsMax: number;
}

const LIMITS_MAX_AGE_MS = 3_600_000;

/** One relay, connected again for ever, with pauses that grow. */
export class RelayConnection implements AsyncDisposable {
  readonly url: string;
  readonly #parts: RelayConnectionParts;
  readonly #options: RelayConnectionOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #session: RelaySession | undefined;
  #limits: { readonly atMs: number; readonly limits: Promise<RelayLimits> } | undefined;
  #sinceMs: number;
  #isCaughtUp = false;
  #problem: string | undefined;
  #lastEventAtMs: number | undefined;
  #counts = { connects: 0, events: 0, framesDropped: 0 };

  constructor(url: string, parts: RelayConnectionParts, options: RelayConnectionOptions) {
    this.url = url;
    this.#parts = parts;
    this.#options = options;
    this.#sinceMs = parts.timers.nowMs();
  }

  start(reader: RelayReader | undefined, onConnected: () => void): void {
    this.#running = this.#run(reader, onConnected);
  }

  async publish(event: NostrEvent): Promise<PublishAnswer> {
    const session = this.#session;
    if (session === undefined) return { outcome: "unknown", message: "not connected" };
    const { messageBytesMax } = await this.#currentLimits();
    // The frame around it is some 20 bytes.
    if (messageBytesMax !== undefined && JSON.stringify(event).length + 20 > messageBytesMax)
      return { outcome: "refused", message: "larger than the relay takes" };
    return session.publish(event);
  }

  status(): RelayStatus {
    return {
      url: this.url,
      isConnected: this.#session !== undefined,
      sinceMs: this.#sinceMs,
      isCaughtUp: this.#isCaughtUp,
      lastEventAtMs: this.#lastEventAtMs,
      problem: this.#problem,
      ...this.#counts,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#session?.close("the node is stopping");
    await this.#running;
  }

  async #run(reader: RelayReader | undefined, onConnected: () => void): Promise<void> {
    const { timers, logger } = this.#parts;
    for (let failures = 0; !this.#closing.signal.aborted; failures++) {
      const openedAtMs = timers.nowMs();
      const problem = await this.#connectOnce(reader, onConnected);
      this.#session = undefined;
      this.#isCaughtUp = false;
      this.#sinceMs = timers.nowMs();
      this.#problem = problem;
      if (this.#closing.signal.aborted) return;
      if (this.#sinceMs - openedAtMs >= this.#options.stableMs) failures = 0;
      const pauseMs = this.#pauseMs(failures);
      logger.info({ relay: this.url, problem, pauseMs }, "relay is away");
      await this.#pause(pauseMs);
    }
  }

  /** Settles with the reason when the connection has ended. */
  async #connectOnce(reader: RelayReader | undefined, onConnected: () => void): Promise<string> {
    const { logger, timers } = this.#parts;
    let session: RelaySession;
    try {
      session = await this.#open();
    } catch (err) {
      return err instanceof Error ? err.message : "it cannot be reached";
    }
    this.#session = session;
    this.#sinceMs = timers.nowMs();
    this.#problem = undefined;
    this.#counts.connects++;
    logger.info({ relay: this.url }, "relay connected");
    onConnected();
    if (reader === undefined) return session.ended;
    const { limitMax = Number.POSITIVE_INFINITY, authRequired } = await this.#currentLimits();
    const followed = followRelay(session, this.#counting(reader), {
      relayUrl: this.url,
      timers,
      authenticateFirst: authRequired,
      pageEvents: Math.min(this.#options.pageEventsMax, limitMax),
      pause: () => this.#pause(this.#options.askAgainMs * (0.5 + this.#parts.random() / 2), session),
      onCaughtUp: (isCaughtUp) => {
        this.#isCaughtUp = isCaughtUp;
        // Whatever it refused before, it has given everything now.
        if (isCaughtUp) this.#problem = undefined;
      },
      onProblem: (problem) => (this.#problem = problem),
      logger: logger.child({ relay: this.url }),
    }).catch((err: unknown) => {
      logger.error({ err, relay: this.url }, "relay cannot be read");
      session.close("its events cannot be taken");
    });
    await followed;
    return session.ended;
  }

  #counting(reader: RelayReader): RelayReader {
    return {
      filters: reader.filters,
      sinceS: (relayUrl) => reader.sinceS(relayUrl),
      saveHighWater: (relayUrl, createdAtS) => reader.saveHighWater(relayUrl, createdAtS),
      take: (event) => {
        this.#counts.events++;
        this.#lastEventAtMs = this.#parts.timers.nowMs();
        return reader.take(event);
      },
    };
  }

  #open(): Promise<RelaySession> {
    const { promise, resolve, reject } = Promise.withResolvers<RelaySession>();
    const socket = new WebSocket(this.url, {
      handshakeTimeout: this.#options.handshakeMsMax,
      maxPayload: this.#options.payloadBytesMax,
      // Inflating costs memory that no bound of ours sees.
      perMessageDeflate: false,
      followRedirects: false,
    });
    const onAbort = (): void => socket.terminate();
    this.#closing.signal.addEventListener("abort", onAbort, { once: true });
    socket.once("close", () => this.#closing.signal.removeEventListener("abort", onAbort));
    socket.once("error", reject);
    socket.once("open", () => {
      socket.off("error", reject);
      // At once: the relay's first frame may have come with its handshake.
      resolve(this.#createSession(socket));
    });
    return promise;
  }

  #createSession(socket: WebSocket): RelaySession {
    const { signer, timers, logger } = this.#parts;
    const onDropped = (): void => {
      this.#counts.framesDropped++;
    };
    const parts = { socket, url: this.url, signer, onDropped, timers };
    return new RelaySession({ ...parts, logger: logger.child({ relay: this.url }) }, this.#options);
  }

  #currentLimits(): Promise<RelayLimits> {
    const nowMs = this.#parts.timers.nowMs();
    if (this.#limits === undefined || nowMs > this.#limits.atMs + LIMITS_MAX_AGE_MS) {
      const { timers } = this.#parts;
      const limits = fetchRelayLimits(this.url, { timers, signal: this.#closing.signal });
      this.#limits = { atMs: nowMs, limits };
    }
    return this.#limits.limits;
  }

  #pauseMs(failures: number): number {
    const { first, max } = this.#options.reconnectMs;
    return Math.min(max, first * 2 ** Math.min(failures, 20)) * (0.5 + this.#parts.random() / 2);
  }

  /** Ends early when we close, or the session ends. */
  async #pause(pauseMs: number, session?: RelaySession): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#parts.timers.after(pauseMs, resolve);
    const onAbort = (): void => resolve();
    this.#closing.signal.addEventListener("abort", onAbort, { once: true });
    void session?.ended.then(() => resolve());
    await promise;
    cancel();
    this.#closing.signal.removeEventListener("abort", onAbort);
  }
}
