import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";

export async function startRelayProxy(relayUrl: string): Promise<RelayProxy> {
  const http = createServer((_request, response) => response.writeHead(404).end());
  const proxy = new RelayProxy(relayUrl, http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return proxy;
}

/** Stands before a relay and does to its frames what networks and hostile relays do. */
export class RelayProxy implements AsyncDisposable {
  /** Decides what becomes of each frame of the relay: other frames in its place, none, or itself. */
  onRelayFrame: (frame: string) => readonly string[] = (frame) => [frame];
  /** Each frame of the relay arrives so much later. */
  delayMs = 0;
  readonly #relayUrl: string;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, autoPong: false });
  readonly #pairs = new Map<WebSocket, WebSocket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #dripMs: number | undefined;
  #dripping = Buffer.alloc(0);

  constructor(relayUrl: string, http: Server) {
    this.#relayUrl = relayUrl;
    this.#http = http;
    http.on("upgrade", (request, raw, head) => {
      this.#sockets.handleUpgrade(request, raw, head, (client) => {
        this.#connect(client, raw);
      });
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** Bytes that were written to clients and not taken by them yet. */
  get bytesNotTaken(): number {
    return [...this.#pairs.keys()].reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0);
  }

  /** Sends a frame that the relay never sent, on every connection; as fast as the connection takes it. */
  async inject(frame: string | Buffer): Promise<void> {
    for (const client of this.#pairs.keys()) {
      await new Promise<void>((resolve) => {
        client.send(frame, { binary: false }, () => {
          resolve();
        });
      });
    }
  }

  /** From now on the relay's frames come a byte at a time, and nothing else comes between. */
  drip(everyMs: number): void {
    this.#dripMs = everyMs;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const client of this.#pairs.keys()) client.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const [client, upstream] of this.#pairs) {
      client.terminate();
      upstream.terminate();
    }
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #connect(client: WebSocket, raw: Duplex): void {
    const upstream = new WebSocket(this.#relayUrl);
    this.#pairs.set(client, upstream);
    const waiting: Buffer[] = [];
    // Whatever breaks one side ends the other.
    client.on("error", () => undefined);
    client.on("close", () => {
      this.#pairs.delete(client);
      upstream.terminate();
    });
    upstream.on("error", () => {
      client.terminate();
    });
    upstream.on("close", () => {
      client.terminate();
    });
    client.on("ping", (data: Buffer) => {
      // A pong between the bytes of a frame would be a broken frame.
      if (this.#dripMs === undefined) client.pong(data);
    });
    client.on("message", (data: Buffer) => {
      if (upstream.readyState === WebSocket.OPEN) upstream.send(data, { binary: false });
      else waiting.push(data);
    });
    upstream.on("open", () => {
      for (const data of waiting) upstream.send(data, { binary: false });
    });
    upstream.on("message", (data: Buffer) => {
      for (const frame of this.onRelayFrame(data.toString())) this.#forwardLater(client, raw, frame);
    });
  }

  #forwardLater(client: WebSocket, raw: Duplex, frame: string): void {
    const forward = (): void => {
      if (this.#dripMs === undefined) client.send(frame);
      else this.#drip(raw, frame, this.#dripMs);
    };
    if (this.delayMs === 0) forward();
    else this.#timers.add(setTimeout(forward, this.delayMs));
  }

  #drip(raw: Duplex, frame: string, everyMs: number): void {
    const payload = Buffer.from(frame);
    const header = Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.writeBigUInt64BE(BigInt(payload.byteLength), 2);
    const isDripping = this.#dripping.length > 0;
    this.#dripping = Buffer.concat([this.#dripping, header, payload]);
    if (isDripping) return;
    const timer = setInterval(() => {
      if (raw.writable) raw.write(this.#dripping.subarray(0, 1));
      this.#dripping = this.#dripping.subarray(1);
      if (this.#dripping.length === 0) clearInterval(timer);
    }, everyMs);
    this.#timers.add(timer);
  }
}
