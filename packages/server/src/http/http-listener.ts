import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { HoldfastError } from "@holdfast/core";
import { fastify, type FastifyInstance } from "fastify";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { openTunnel } from "./connect-proxy.ts";
import { answerPreflight, applyCors, CORS_HEADERS } from "./cors.ts";
import { DEFAULT_DRAIN_LIMITS, drainAfterAnswer } from "./early-answer.ts";
import { errorToResponse } from "./error-to-response.ts";
import type { HostRouting } from "./gateway-hosts.ts";
import type { HotPath } from "./hot-path.ts";
import type { Limits } from "./limits.ts";
import { nextRequestId } from "./request-id.ts";
import { RouteMethods } from "./route-methods.ts";

export interface HttpListenerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Absent: no rates, as on the admin listener. */
  readonly limits?: Limits | undefined;
}

export interface HttpListenerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  readonly cors: boolean;
  /** Requests that are being worked on; one more is answered 429. */
  readonly requestsMax: number;
  readonly connectionsMax: number;
  readonly headersMsMax: number;
  /** For a whole request with its body; uploads have to fit. Routes with small bodies are stricter. */
  readonly requestMsMax: number;
  /** A connection on which nothing moves for so long is closed. */
  readonly idleMsMax: number;
  readonly urlLengthMax: number;
  /** For the rest of a request that is answered already. */
  readonly drainMsMax: number;
}

export const DEFAULT_LISTENER_OPTIONS: Omit<HttpListenerOptions, "host" | "port" | "cors"> = {
  requestsMax: 4_096,
  connectionsMax: 16_384,
  headersMsMax: 10_000,
  requestMsMax: 3_600_000,
  idleMsMax: 120_000,
  urlLengthMax: 8_192,
  drainMsMax: DEFAULT_DRAIN_LIMITS.drainMsMax,
};

/** As Fastify sees it. */
const METHODS_WITH_BODY = ["DELETE", "OPTIONS", "PATCH", "POST", "PUT", "QUERY"];

/** Node looks for requests over their time so often. */
const CONNECTIONS_CHECKED_EVERY_MS = 1_000;

/**
 * One listening HTTP/1.1 server with a Fastify app behind it, and what every answer needs in front: CORS, the hot path,
 * limits, draining, and answers for what never becomes a request.
 */
export class HttpListener implements AsyncDisposable {
  readonly app: FastifyInstance;
  readonly server: Server;
  readonly #parts: HttpListenerParts;
  readonly #options: HttpListenerOptions;
  readonly #drainLimits: typeof DEFAULT_DRAIN_LIMITS;
  readonly #routeMethods = new RouteMethods();
  readonly #answering = new WeakMap<object, ServerResponse>();
  #hotPath: HotPath | undefined;
  #hosts: HostRouting | undefined;
  /** Requests that are being worked on. */
  readonly #requests = new Set<ServerResponse>();
  #isDraining = false;
  #closed: Promise<void> | undefined;

  constructor(parts: HttpListenerParts, options: HttpListenerOptions & { readonly upgradePath?: string }) {
    this.#parts = parts;
    this.#options = options;
    this.#drainLimits = { ...DEFAULT_DRAIN_LIMITS, drainMsMax: options.drainMsMax };
    let handOver: (request: IncomingMessage, response: ServerResponse) => void;
    this.server = createServer(
      {
        optimizeEmptyRequests: true,
        requireHostHeader: false,
        headersTimeout: options.headersMsMax,
        requestTimeout: options.requestMsMax,
        connectionsCheckingInterval: CONNECTIONS_CHECKED_EVERY_MS,
        // Other upgrades (curl offers h2c) are answered as if they had not been asked for.
        shouldUpgradeCallback: (request) =>
          isWebSocketUpgrade(request, options.upgradePath) && this.#hosts?.hasOwnPaths(request) !== false,
      },
      (request, response) => {
        this.#parts.metrics.http.requests++;
        const isPlain = this.#hosts?.isPlain(request) ?? true;
        const scope = isPlain ? "" : this.#hosts?.scopeOf(request);
        if (scope !== undefined && !this.#isDraining && this.#hotPath?.(request, response, scope) === true)
          return;
        this.#admit(request, response, (...admitted) => {
          if (isPlain) handOver(...admitted);
          else void this.#routeByHost(...admitted, handOver);
        });
      },
    );
    this.server.maxConnections = options.connectionsMax;
    this.server.timeout = options.idleMsMax;
    this.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
      this.#refuse(
        request,
        response,
        new HoldfastError("INVALID_ARGUMENT", "this expectation is not supported"),
      );
    });
    this.server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void this.#connect(request, socket, head);
    });
    this.app = this.#createApp((handler) => {
      handOver = handler;
      return this.server;
    });
  }

  /** Tried first for each request. To be set before {@link listen}. */
  useHotPath(hotPath: HotPath): void {
    this.#hotPath = hotPath;
  }

  /** Decides by the host of each request, before the hot path. Without it there is no tunnel. To be set before {@link listen}. */
  useHosts(hosts: HostRouting): void {
    this.#hosts = hosts;
  }

  /** An answer that stays open for hours is no work: from now on it counts as a connection only, not as a request. */
  release(response: ServerResponse): void {
    this.#requests.delete(response);
  }

  /** Whether there is a route at a path. */
  hasRoute(url: string): boolean {
    return this.#routeMethods.of(url).length > 0;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Starts to listen. @returns the URL without a slash at its end, e.g. `http://127.0.0.1:9080`. */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    await this.app.listen({ host, port, backlog: 4_096 });
    return this.url;
  }

  get url(): string {
    const { address, family, port } = this.server.address() as AddressInfo;
    return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  /** Takes no more requests, lets those under way finish for at most `graceMs`, then closes every connection. */
  async close(graceMs: number): Promise<void> {
    this.#closed ??= this.#drain(graceMs);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  /** Answers on a connection that has no response object, and ends it. */
  answerSocket(socket: Duplex, status: number, message: string, headers: readonly string[] = []): void {
    if (socket.destroyed || !socket.writable) return;
    const body = `${message}\n`;
    const lines = [
      ...(this.#options.cors ? CORS_HEADERS : []),
      ...headers,
      "Content-Type",
      "text/plain; charset=utf-8",
      "Content-Length",
      String(Buffer.byteLength(body)),
      "Cache-Control",
      "no-store",
      "X-Request-Id",
      nextRequestId(),
      "Connection",
      "close",
    ];
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
    for (let i = 0; i + 1 < lines.length; i += 2) head += `${lines[i]}: ${lines[i + 1]}\r\n`;
    socket.on("error", () => {
      // The client left without waiting for its refusal.
      socket.destroy();
    });
    socket.end(`${head}\r\n${body}`);
    // Closing at once could reset the answer away while the client is still sending.
    setTimeout(() => socket.destroy(), this.#options.drainMsMax).unref();
    socket.resume();
  }

  #admit(
    request: IncomingMessage,
    response: ServerResponse,
    handOver: (request: IncomingMessage, response: ServerResponse) => void,
  ): void {
    const { limits, clock, metrics } = this.#parts;
    if (this.#isDraining)
      return this.#refuse(request, response, new HoldfastError("SHUTTING_DOWN", "shutting down"));
    if (this.#requests.size >= this.#options.requestsMax) {
      metrics.http.overloaded++;
      return this.#refuse(request, response, new HoldfastError("RATE_LIMITED", "too many requests at once"));
    }
    const nowMs = clock.nowMs();
    if (limits?.takeRead(request, nowMs) === false) {
      return this.#refuse(request, response, limits.refusalOfRead(request));
    }
    if (request.httpVersion === "1.1" && request.headers.host === undefined) {
      return this.#refuse(
        request,
        response,
        new HoldfastError("INVALID_ARGUMENT", "the Host header is missing"),
      );
    }
    this.#prepare(request, response);
    if (this.#options.cors && request.method === "OPTIONS") return answerPreflight(response);
    if ((request.url ?? "").length > this.#options.urlLengthMax) {
      return this.#sendError(request, response, new HoldfastError("INVALID_ARGUMENT", "the URL is too long"));
    }
    this.#requests.add(response);
    response.once("close", () => this.release(response));
    handOver(request, response);
  }

  async #routeByHost(
    request: IncomingMessage,
    response: ServerResponse,
    handOver: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<void> {
    try {
      if (await this.#hosts?.route(request, response)) handOver(request, response);
    } catch (err) {
      this.#answerError(err, request, response, nextRequestId());
    }
  }

  /** A tunnel counts as one request, and its connection as one connection. */
  async #connect(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { limits, clock } = this.#parts;
    // Nobody else listens while it is decided.
    socket.on("error", () => {
      socket.destroy();
    });
    try {
      if (this.#isDraining) throw new HoldfastError("SHUTTING_DOWN", "shutting down");
      if (limits?.takeRead(request, clock.nowMs()) === false) throw limits.refusalOfRead(request);
      const hosts = this.#hosts;
      if (hosts === undefined) throw new HoldfastError("METHOD_NOT_ALLOWED", "CONNECT is not offered");
      const isServed = hosts.isServed.bind(hosts);
      await openTunnel({ server: this.server, isServed }, request, socket, head);
    } catch (err) {
      const { status, body, headers } = errorToResponse(err, failedRequest(request));
      const retryAfter = headers["Retry-After"];
      const more = retryAfter === undefined ? [] : ["Retry-After", retryAfter];
      this.answerSocket(socket, status, body.trimEnd(), more);
    }
  }

  #prepare(request: IncomingMessage, response: ServerResponse): void {
    if (this.#options.cors) applyCors(response);
    this.#answering.set(request.socket, response);
    drainAfterAnswer(request, response, this.#drainLimits);
  }

  #refuse(request: IncomingMessage, response: ServerResponse, err: HoldfastError): void {
    this.#prepare(request, response);
    if (this.#isDraining) response.setHeader("Connection", "close");
    this.#sendError(request, response, err);
  }

  #sendError(request: IncomingMessage, response: ServerResponse, err: unknown): void {
    const answer = errorToResponse(err, failedRequest(request));
    response
      .writeHead(answer.status, answer.headers)
      .end(request.method === "HEAD" ? undefined : answer.body);
  }

  #createApp(
    serverOf: (handler: (request: IncomingMessage, response: ServerResponse) => void) => Server,
  ): FastifyInstance {
    const app = fastify({
      serverFactory: serverOf,
      logger: false,
      exposeHeadRoutes: false,
      return503OnClosing: false,
      genReqId: nextRequestId,
      routerOptions: { maxParamLength: this.#options.urlLengthMax },
      frameworkErrors: (err, request, reply) => {
        this.#answerError(err, request.raw, reply.raw, request.id);
      },
      clientErrorHandler: (err, socket) => {
        this.#answerClientError(err, socket);
      },
    });
    // Routes read bodies themselves, each within its own bounds, and a `Content-Type` that is none is no reason to refuse one.
    for (const method of METHODS_WITH_BODY) {
      app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
    }
    app.addHook("onRoute", ({ url, method }) => {
      this.#routeMethods.add(url, method);
    });
    app.setErrorHandler((err, request, reply) => {
      this.#answerError(err, request.raw, reply.raw, request.id);
      reply.hijack();
    });
    app.setNotFoundHandler((request) => {
      throw this.#notFound(request.raw);
    });
    return app;
  }

  /** A known path with the wrong method is 405, but under `/api/v0` what is not offered at all stays 404 for every method. */
  #notFound(request: IncomingMessage): HoldfastError {
    const methods = this.#routeMethods.of(request.url ?? "");
    if (methods.length === 0) return new HoldfastError("ROUTE_NOT_FOUND", "404 page not found");
    const allow = [...methods, "OPTIONS"].join(", ");
    return new HoldfastError("METHOD_NOT_ALLOWED", "405 - Method Not Allowed", {
      details: { headers: { Allow: allow } },
    });
  }

  #answerError(err: unknown, request: IncomingMessage, response: ServerResponse, requestId: string): void {
    const answer = errorToResponse(err, failedRequest(request, requestId));
    if (answer.unexpected && !request.socket.destroyed) {
      this.#parts.metrics.http.errors++;
      this.#parts.logger.error({ err, requestId, method: request.method }, "request failed");
    }
    // A body that has begun must not end as if it were whole (P8).
    if (response.headersSent) response.destroy();
    else
      response
        .writeHead(answer.status, answer.headers)
        .end(request.method === "HEAD" ? undefined : answer.body);
  }

  /** What the parser refuses never becomes a request; what times out may be one that is being answered. */
  #answerClientError(err: Error & { readonly code?: string }, socket: Socket): void {
    const response = this.#answering.get(socket);
    const isBeingAnswered = response !== undefined && response.headersSent && !response.writableFinished;
    if (err.code === "ECONNRESET" || isBeingAnswered) {
      socket.destroy();
      return;
    }
    if (err.code === "HPE_HEADER_OVERFLOW") this.answerSocket(socket, 431, "the headers are too large");
    else if (err.code === "ERR_HTTP_REQUEST_TIMEOUT")
      this.answerSocket(socket, 408, "the request did not arrive in time");
    else this.answerSocket(socket, 400, "malformed HTTP request");
  }

  async #drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    const closed = this.app.close();
    const timer = setTimeout(() => {
      this.server.closeAllConnections();
    }, graceMs);
    try {
      await closed;
    } finally {
      clearTimeout(timer);
    }
  }
}

function failedRequest(
  request: IncomingMessage,
  requestId: string = nextRequestId(),
): Parameters<typeof errorToResponse>[1] {
  return { url: request.url ?? "", accept: request.headers.accept, requestId };
}

function isWebSocketUpgrade(request: IncomingMessage, path: string | undefined): boolean {
  if (path === undefined || request.headers.upgrade?.toLowerCase() !== "websocket") return false;
  const [pathname] = (request.url ?? "").split("?");
  return pathname === path;
}
