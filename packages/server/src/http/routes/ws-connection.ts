import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Records } from "../../records/records.ts";
import type { Clock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { CatchUp } from "../push/catch-up.ts";
import { TokenBucket } from "../limits.ts";
import type { Push, Subscriber } from "../push/push.ts";
import type { PushOptions } from "../push/push-options.ts";
import type { PushUpdate } from "../push/push-update.ts";
import { readSubscriberMessage, type SpelledName, type WantedName } from "./ws-messages.ts";

/** Messages from one connection; more than that closes it. A message with many names counts for many. */
const MESSAGE_RATE = { perSecond: 20, burst: 100 };
const NAMES_PER_TOKEN = 50;

/** Pings without any sign of life before the connection is given up. */
const SILENT_BEATS_MAX = 2;

/** How long a client may take to say goodbye when the node stops. */
const CLOSE_MS_MAX = 500;

export interface WsConnectionParts {
  readonly push: Push;
  readonly records: Pick<Records, "peek">;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** One client of `/ws/ipns`. */
export class WsConnection implements Subscriber {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #parts: WsConnectionParts;
  readonly #options: PushOptions;
  readonly #messages: TokenBucket;
  /** Spelling → canonical name. */
  readonly #names = new Map<string, string>();
  #catchUp: CatchUp | undefined;
  #silentBeats = 0;

  /** @param socket what the WebSocket runs on. Without compression its frames go out at once, so that ours may go between. */
  constructor(webSocket: WebSocket, socket: Duplex, parts: WsConnectionParts, options: PushOptions) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#parts = parts;
    this.#options = options;
    this.#messages = new TokenBucket(MESSAGE_RATE, parts.clock.nowMs());
    webSocket.on("message", (data: Buffer, isBinary) => {
      this.#hear(data, isBinary);
    });
    webSocket.on("pong", () => {
      this.#silentBeats = 0;
    });
    webSocket.on("error", () => {
      // Frames that are malformed or too large; ws has closed with the fitting code.
      webSocket.terminate();
    });
  }

  send({ frame }: PushUpdate): void {
    if (this.#hasRoomFor(frame.length)) this.#socket.write(frame);
  }

  /** A sign of life is asked for, unless the last ones were not given. */
  beat(): void {
    if (this.#silentBeats >= SILENT_BEATS_MAX) {
      this.#parts.metrics.push.silentClientsDropped++;
      this.#webSocket.terminate();
      return;
    }
    this.#silentBeats++;
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.ping();
  }

  async goodbye(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#webSocket.once("close", () => resolve());
    });
    this.#webSocket.close(1001, "shutting down");
    const timer = setTimeout(() => this.#webSocket.terminate(), CLOSE_MS_MAX);
    await closed;
    clearTimeout(timer);
  }

  forget(): void {
    for (const [spelling, nameText] of this.#names) this.#parts.push.unsubscribe(this, nameText, spelling);
    this.#names.clear();
  }

  #hear(data: Buffer, isBinary: boolean): void {
    this.#silentBeats = 0;
    if (!this.#messages.take(this.#parts.clock.nowMs())) {
      this.#webSocket.close(1008, "too many messages");
      return;
    }
    const message = readSubscriberMessage(data, isBinary);
    if ("names" in message) {
      for (let i = NAMES_PER_TOKEN; i <= message.names.length; i += NAMES_PER_TOKEN) {
        this.#messages.charge(this.#parts.clock.nowMs());
      }
    }
    switch (message.action) {
      case "subscribe":
        this.#subscribe(message.names, message.snapshot);
        break;
      case "unsubscribe":
        this.#unsubscribe(message.names);
        break;
      case "ping":
        this.#tell({ type: "pong" });
        break;
      case "malformed":
        this.#tell({ type: "error", message: message.problem });
        break;
    }
  }

  #subscribe(names: readonly WantedName[], snapshot: boolean): void {
    const accepted: WantedName[] = [];
    let isFull = false;
    for (const each of names) {
      if (!this.#names.has(each.spelling)) {
        isFull = this.#names.size >= this.#options.namesPerConnectionMax;
        if (isFull) break;
        this.#names.set(each.spelling, each.name.text);
        this.#parts.push.subscribe(this, each.name, each.spelling);
      }
      accepted.push(each);
    }
    this.#tell({ type: "subscribed", names: accepted.map(({ spelling }) => spelling) });
    if (isFull) {
      const max = this.#options.namesPerConnectionMax;
      this.#tell({ type: "error", message: `at most ${max} names for each connection` });
    }
    this.#catchUpOn(snapshot ? accepted : accepted.filter(({ since }) => since !== undefined));
  }

  #catchUpOn(names: readonly WantedName[]): void {
    if (names.length === 0) return;
    this.#catchUp ??= new CatchUp(this.#parts, this.#socket, this);
    this.#catchUp.add(
      names.map(({ name, spelling, since = -1n }) => ({
        name,
        spelling,
        isNews: ({ record }) => record.sequence > since,
      })),
    );
  }

  #unsubscribe(names: readonly SpelledName[]): void {
    for (const { spelling } of names) {
      const nameText = this.#names.get(spelling);
      if (nameText === undefined) continue;
      this.#names.delete(spelling);
      this.#catchUp?.remove(spelling);
      this.#parts.push.unsubscribe(this, nameText, spelling);
    }
    this.#tell({ type: "unsubscribed", names: names.map(({ spelling }) => spelling) });
  }

  #tell(message: Readonly<Record<string, unknown>>): void {
    const text = Buffer.from(JSON.stringify(message));
    if (this.#hasRoomFor(text.length)) this.#webSocket.send(text, { binary: false });
  }

  /** Whether so much may be written; drops the client when too much waits for it already. */
  #hasRoomFor(bytes: number): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return false;
    if (this.#socket.writableLength + bytes <= this.#options.bufferedBytesMax) return true;
    this.#parts.metrics.push.slowClientsDropped++;
    this.#webSocket.terminate();
    return false;
  }
}
