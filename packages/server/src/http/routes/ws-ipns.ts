import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance } from "fastify";
import { WebSocketServer, type WebSocket } from "ws";
import type { Records } from "../../records/records.ts";
import type { Clock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { HttpListener } from "../http-listener.ts";
import { type Limits, TokenBucket } from "../limits.ts";
import { Push, type Subscriber } from "../push.ts";
import { readSubscriberMessage, type SpelledName } from "./ws-messages.ts";

export const WS_PATH = "/ws/ipns";

export interface WsOptions {
  readonly connectionsMax: number;
  readonly connectionsPerClientMax: number;
  readonly namesPerConnectionMax: number;
  readonly messageBytesMax: number;
  /** What may wait in memory for one slow client before it is dropped. */
  readonly bufferedBytesMax: number;
  readonly heartbeatMs: number;
}

export const DEFAULT_WS_OPTIONS: WsOptions = {
  connectionsMax: 8_192,
  connectionsPerClientMax: 256,
  namesPerConnectionMax: 1_000,
  messageBytesMax: 128 * 1024,
  bufferedBytesMax: 1024 * 1024,
  heartbeatMs: 30_000,
};

/** Messages from one connection; more than that closes it. A message with many names counts for many. */
const MESSAGE_RATE = { perSecond: 20, burst: 100 };
const NAMES_PER_TOKEN = 50;

/** Pings without any sign of life before the connection is given up. */
const SILENT_BEATS_MAX = 2;

/** How long a client may take to say goodbye when the node stops. */
const CLOSE_MS_MAX = 500;

export interface WsParts {
  readonly records: Pick<Records, "peek" | "onStored">;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/**
 * `WS /ws/ipns`: tells clients of each stored change of the names they subscribed to (R10), and never waits for one (R42).
 */
export class IpnsSockets {
  readonly #parts: WsParts;
  readonly #options: WsOptions;
  readonly #listener: HttpListener;
  readonly #push: Push;
  readonly #server: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #perClient = new Map<string, number>();
  readonly #stopListening: () => void;
  readonly #heart: NodeJS.Timeout;
  #isClosed = false;

  constructor(listener: HttpListener, parts: WsParts, options: WsOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#listener = listener;
    this.#push = new Push(parts.metrics);
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.messageBytesMax,
    });
    this.#server.on("wsClientError", (_err, socket) => {
      listener.answerSocket(socket, 400, "malformed WebSocket handshake");
    });
    listener.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
    this.#stopListening = parts.records.onStored(({ name, current }) => {
      this.#push.announce(name, current);
    });
    this.#heart = setInterval(() => {
      this.beat();
    }, options.heartbeatMs).unref();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** One heartbeat: pings everybody and gives up those who were silent for the last two. */
  beat(): void {
    for (const connection of this.#connections) connection.beat();
  }

  /** Says goodbye to everybody and takes nobody any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#heart);
    this.#stopListening();
    const ended = [...this.#connections].map(async (connection) => connection.goodbye());
    await Promise.all(ended);
    this.#server.close();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { limits, clock, metrics } = this.#parts;
    const refuse = (status: number, message: string): void => {
      this.#listener.answerSocket(socket, status, message, ["Retry-After", "5"]);
    };
    metrics.http.requests++;
    if (this.#isClosed || this.#listener.isDraining) return refuse(503, "shutting down");
    if (!limits.takeRead(request, clock.nowMs())) return refuse(429, limits.refusalOfRead(request).message);
    if (this.#connections.size >= this.#options.connectionsMax) return refuse(503, "too many connections");
    const { key } = limits.clientOf(request);
    const ofClient = this.#perClient.get(key) ?? 0;
    if (ofClient >= this.#options.connectionsPerClientMax)
      return refuse(429, "too many connections from this client");
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept(webSocket, key);
    });
  }

  #accept(webSocket: WebSocket, clientKey: string): void {
    const connection = new Connection(webSocket, this.#push, this.#parts, this.#options);
    this.#connections.add(connection);
    this.#perClient.set(clientKey, (this.#perClient.get(clientKey) ?? 0) + 1);
    this.#parts.metrics.push.connections++;
    webSocket.once("close", () => {
      connection.forget();
      this.#connections.delete(connection);
      this.#parts.metrics.push.connections--;
      const left = (this.#perClient.get(clientKey) ?? 1) - 1;
      if (left > 0) this.#perClient.set(clientKey, left);
      else this.#perClient.delete(clientKey);
    });
  }
}

/** A plain request for the path of the socket. */
export function wsUpgradeRequiredRoute(app: FastifyInstance): void {
  app.get(WS_PATH, () => {
    throw new HoldfastError("INVALID_ARGUMENT", "a WebSocket handshake is required");
  });
}

/** One client. */
class Connection implements Subscriber {
  readonly #socket: WebSocket;
  readonly #push: Push;
  readonly #parts: WsParts;
  readonly #options: WsOptions;
  readonly #messages: TokenBucket;
  /** Spelling → canonical name. */
  readonly #names = new Map<string, string>();
  #silentBeats = 0;

  constructor(socket: WebSocket, push: Push, parts: WsParts, options: WsOptions) {
    this.#socket = socket;
    this.#push = push;
    this.#parts = parts;
    this.#options = options;
    this.#messages = new TokenBucket(MESSAGE_RATE, parts.clock.nowMs());
    socket.on("message", (data: Buffer, isBinary) => {
      this.#hear(data, isBinary);
    });
    socket.on("pong", () => {
      this.#silentBeats = 0;
    });
    socket.on("error", () => {
      // Frames that are malformed or too large; ws has closed with the fitting code.
      socket.terminate();
    });
  }

  send(message: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount + message.length > this.#options.bufferedBytesMax) {
      this.#parts.metrics.push.slowClientsDropped++;
      this.#socket.terminate();
      return;
    }
    this.#socket.send(message, { binary: false });
  }

  beat(): void {
    if (this.#silentBeats >= SILENT_BEATS_MAX) {
      this.#socket.terminate();
      return;
    }
    this.#silentBeats++;
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  async goodbye(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#socket.once("close", () => resolve());
    });
    this.#socket.close(1001, "shutting down");
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS_MAX);
    await closed;
    clearTimeout(timer);
  }

  forget(): void {
    for (const [spelling, nameText] of this.#names) this.#push.unsubscribe(this, nameText, spelling);
    this.#names.clear();
  }

  #hear(data: Buffer, isBinary: boolean): void {
    this.#silentBeats = 0;
    if (!this.#messages.take(this.#parts.clock.nowMs())) {
      this.#socket.close(1008, "too many messages");
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

  #subscribe(names: readonly SpelledName[], snapshot: boolean): void {
    const accepted: SpelledName[] = [];
    let isFull = false;
    for (const each of names) {
      if (!this.#names.has(each.spelling)) {
        isFull = this.#names.size >= this.#options.namesPerConnectionMax;
        if (isFull) break;
        this.#names.set(each.spelling, each.name.text);
        this.#push.subscribe(this, each.name, each.spelling);
      }
      accepted.push(each);
    }
    this.#tell({ type: "subscribed", names: accepted.map(({ spelling }) => spelling) });
    if (isFull) {
      const max = this.#options.namesPerConnectionMax;
      this.#tell({ type: "error", message: `at most ${max} names for each connection` });
    }
    if (!snapshot) return;
    for (const { name, spelling } of accepted) {
      const stored = this.#parts.records.peek(name);
      if (stored !== undefined) this.#push.sendSnapshot(this, spelling, stored);
    }
  }

  #unsubscribe(names: readonly SpelledName[]): void {
    for (const { spelling } of names) {
      const nameText = this.#names.get(spelling);
      if (nameText === undefined) continue;
      this.#names.delete(spelling);
      this.#push.unsubscribe(this, nameText, spelling);
    }
    this.#tell({ type: "unsubscribed", names: names.map(({ spelling }) => spelling) });
  }

  #tell(message: Readonly<Record<string, unknown>>): void {
    this.send(Buffer.from(JSON.stringify(message)));
  }
}
