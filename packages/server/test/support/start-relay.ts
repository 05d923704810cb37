import { createServer, type Server } from "node:http";
import { type IncomingMessage as RelayMessage, LogLevel, MessageType } from "@nostr-relay/common";
import { NostrRelay } from "@nostr-relay/core";
import { EventRepositorySqlite } from "@nostr-relay/event-repository-sqlite";
import { Validator } from "@nostr-relay/validator";
import { type WebSocket, WebSocketServer } from "ws";
import type { NostrEvent, WireEvent } from "@holdfast/core";
import { listenOn, listenOnLastingPort } from "./lasting-port.ts";

export interface StartRelayOptions {
  /** Answers nobody who has not authenticated (NIP-42). */
  readonly authOnly?: boolean;
  /** `limitation` of its NIP-11 document. */
  readonly limitation?: Readonly<Record<string, unknown>>;
  /** How many events one filter gets at most, whatever it asks for. */
  readonly pageMax?: number;
}

export async function startRelay(options: StartRelayOptions = {}): Promise<TestRelay> {
  const repository = new EventRepositorySqlite(":memory:", { defaultLimit: options.pageMax ?? 500 });
  await repository.init();
  const relay = new TestRelay(repository, options);
  await relay.revive();
  return relay;
}

/** A real relay on loopback, with its events in memory. */
export class TestRelay implements AsyncDisposable {
  /** What clients sent, newest last. */
  readonly received: RelayMessage[] = [];
  readonly #repository: EventRepositorySqlite;
  readonly #relay: NostrRelay;
  readonly #validator = new Validator();
  readonly #options: StartRelayOptions;
  readonly #pageMax: number;
  #port: number | undefined;
  #running: { readonly http: Server; readonly sockets: WebSocketServer } | undefined;

  constructor(repository: EventRepositorySqlite, options: StartRelayOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#pageMax = options.pageMax ?? 500;
    const logger = { setLogLevel() {}, debug() {}, info() {}, warn() {}, error() {} };
    this.#relay = new NostrRelay(repository, {
      ...(options.authOnly === true ? { hostname: "127.0.0.1" } : {}),
      logger,
      logLevel: LogLevel.ERROR,
      // The cache would answer a REQ with what was true a second ago.
      filterResultCacheTtl: 0,
      eventHandlingResultCacheTtl: 0,
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port ?? ""}`;
  }

  /** Puts an event in as an author who publishes elsewhere does: subscribers hear of it. */
  async accept({ id, pubkey, createdAtS, kind, tags, content, sig }: NostrEvent): Promise<void> {
    const event = {
      id,
      pubkey,
      created_at: createdAtS,
      kind,
      tags: tags.map((tag) => [...tag]),
      content,
      sig,
    };
    const { success, message } = await this.#relay.handleEvent(event);
    if (!success) throw new Error(`the relay refused the event: ${message ?? ""}`);
  }

  async stored(): Promise<readonly WireEvent[]> {
    return this.#repository.find({ limit: 1_000 });
  }

  /** As kill -9: connections break, the port refuses. Events stay. */
  async kill(): Promise<void> {
    if (this.#running === undefined) return;
    const { http, sockets } = this.#running;
    this.#running = undefined;
    for (const socket of sockets.clients) socket.terminate();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  }

  /** On the same port, with the same events. */
  async revive(): Promise<void> {
    const http = createServer((_request, response) => {
      const limitation = this.#options.limitation ?? {};
      const document = { name: "test relay", supported_nips: [1, 11, 42], limitation };
      response.setHeader("Content-Type", "application/nostr+json").end(JSON.stringify(document));
    });
    const sockets = new WebSocketServer({ server: http });
    sockets.on("connection", (socket) => this.#onConnection(socket));
    if (this.#port === undefined) this.#port = await listenOnLastingPort(http);
    else await listenOn(http, this.#port);
    this.#running = { http, sockets };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#relay.destroy();
  }

  #onConnection(socket: WebSocket): void {
    this.#relay.handleConnection(socket);
    // A client that breaks off shows as closed.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#relay.handleDisconnect(socket);
    });
    socket.on("message", (data: Buffer) => {
      this.#answer(socket, data).catch((err: unknown) => {
        socket.send(JSON.stringify(["NOTICE", String(err)]));
      });
    });
  }

  async #answer(socket: WebSocket, data: Buffer): Promise<void> {
    const message = await this.#validator.validateIncomingMessage(data);
    this.received.push(message);
    const isAuth = message[0] === MessageType.AUTH;
    if (this.#options.authOnly !== true || isAuth || this.#relay.isAuthorized(socket)) {
      await this.#relay.handleMessage(socket, this.#limited(message));
    } else if (message[0] === MessageType.EVENT) {
      socket.send(JSON.stringify(["OK", message[1].id, false, "auth-required: who are you?"]));
    } else if (message[0] === MessageType.REQ) {
      socket.send(JSON.stringify(["CLOSED", message[1], "auth-required: who are you?"]));
    }
  }

  #limited(message: RelayMessage): RelayMessage {
    if (message[0] !== MessageType.REQ) return message;
    const [type, id, ...filters] = message;
    const max = this.#pageMax;
    return [type, id, ...filters.map((one) => ({ ...one, limit: Math.min(one.limit ?? max, max) }))];
  }
}
