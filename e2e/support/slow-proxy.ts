import { once } from "node:events";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Transform } from "node:stream";

/** An HTTP proxy before one server that lets each request through after a while, and of their bodies only so much. */
export interface SlowProxy extends AsyncDisposable {
  readonly url: string;
  delayMs: number;
  /** What comes beyond waits here until more is let through. At first everything is. */
  bodyBytesMax: number;
  /** Requests that came so far. */
  readonly requests: number;
  /** Of request bodies, as far as they were let through. */
  readonly bodyBytes: number;
}

export async function startSlowProxy(targetUrl: string, delayMs: number): Promise<SlowProxy> {
  const state = { delayMs, requests: 0 };
  const timers = new Set<NodeJS.Timeout>();
  const gate = new Gate();
  const forward = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const { method, headers, url = "/" } = incoming;
    const onward = request(new URL(url, targetUrl), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    });
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(gate.stream()).pipe(onward);
  };
  const server = createServer((incoming, outgoing) => {
    state.requests++;
    const timer = setTimeout(() => {
      timers.delete(timer);
      forward(incoming, outgoing);
    }, state.delayMs);
    timers.add(timer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return state.requests;
    },
    get bodyBytes() {
      return gate.bytes;
    },
    get bodyBytesMax() {
      return gate.bytesMax;
    },
    set bodyBytesMax(bytes: number) {
      gate.bytesMax = bytes;
      gate.look();
    },
    get delayMs() {
      return state.delayMs;
    },
    set delayMs(ms: number) {
      state.delayMs = ms;
    },
    [Symbol.asyncDispose]: async () => {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** All bodies go through one gate. */
class Gate {
  bytes = 0;
  bytesMax = Number.POSITIVE_INFINITY;
  #waiting: (() => void)[] = [];

  stream(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, pass) => {
        this.#waiting.push(() => {
          this.bytes += chunk.length;
          pass(undefined, chunk);
        });
        this.look();
      },
    });
  }

  look(): void {
    while (this.bytes < this.bytesMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }
}
