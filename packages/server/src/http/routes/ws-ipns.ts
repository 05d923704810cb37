import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance } from "fastify";
import { WebSocketServer, type WebSocket } from "ws";
import { CORS_HEADERS } from "../cors.ts";
import { STATUS_BY_CODE } from "../error-to-response.ts";
import type { HttpListener } from "../http-listener.ts";
import type { Limits } from "../limits.ts";
import type { PushOptions } from "../push/push-options.ts";
import type { PushSlots } from "../push/push-slots.ts";
import { Turns } from "../push/turns.ts";
import { WsConnection, type WsConnectionParts } from "./ws-connection.ts";

export const WS_PATH = "/ws/ipns";

export interface WsParts extends WsConnectionParts {
  readonly limits: Limits;
  readonly slots: PushSlots;
}

/**
 * `WS /ws/ipns`: tells clients of each stored change of the names they subscribed to (R10), and never waits for one (R42).
 */
export class IpnsSockets {
  readonly #parts: WsParts;
  readonly #options: PushOptions;
  readonly #listener: HttpListener;
  readonly #server: WebSocketServer;
  readonly #connections = new Set<WsConnection>();
  readonly #heart: NodeJS.Timeout;
  readonly #beats = new Turns();
  #isClosed = false;

  constructor(listener: HttpListener, parts: WsParts, options: PushOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#listener = listener;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.messageBytesMax,
      // Each message in a turn of its own: one with many names costs milliseconds.
      allowSynchronousEvents: false,
    });
    this.#server.on("headers", (headers) => {
      for (let i = 0; i + 1 < CORS_HEADERS.length; i += 2)
        headers.push(`${CORS_HEADERS[i]}: ${CORS_HEADERS[i + 1]}`);
    });
    this.#server.on("wsClientError", (_err, socket) => {
      listener.answerSocket(socket, 400, "malformed WebSocket handshake");
    });
    listener.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
    this.#heart = setInterval(() => {
      this.#beats.addEach(this.#connections, (connection) => connection.beat());
    }, options.heartbeatMs).unref();
  }

  /** Says goodbye to everybody and takes nobody any more. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#heart);
    const ended = [...this.#connections].map(async (connection) => connection.goodbye());
    await Promise.all(ended);
    this.#server.close();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { limits, slots, clock, metrics } = this.#parts;
    metrics.http.requests++;
    if (this.#isClosed || this.#listener.isDraining)
      return this.#refuse(socket, new HoldfastError("SHUTTING_DOWN", "shutting down"));
    if (!limits.takeRead(request, clock.nowMs())) return this.#refuse(socket, limits.refusalOfRead(request));
    const { key } = limits.clientOf(request);
    const refusal = slots.refusalOf(key);
    if (refusal !== undefined) {
      metrics.push.refused++;
      return this.#refuse(socket, refusal);
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept(webSocket, socket, key);
    });
  }

  #refuse(socket: Duplex, { code, message }: HoldfastError): void {
    this.#listener.answerSocket(socket, STATUS_BY_CODE[code], message, ["Retry-After", "5"]);
  }

  #accept(webSocket: WebSocket, socket: Duplex, clientKey: string): void {
    const { slots, metrics } = this.#parts;
    const connection = new WsConnection(webSocket, socket, this.#parts, this.#options);
    this.#connections.add(connection);
    slots.take(clientKey);
    metrics.push.connections++;
    webSocket.once("close", () => {
      connection.forget();
      this.#connections.delete(connection);
      slots.giveBack(clientKey);
      metrics.push.connections--;
    });
  }
}

/** A plain request for the path of the socket. */
export function wsUpgradeRequiredRoute(app: FastifyInstance): void {
  app.get(WS_PATH, () => {
    throw new HoldfastError("INVALID_ARGUMENT", "a WebSocket handshake is required");
  });
}
