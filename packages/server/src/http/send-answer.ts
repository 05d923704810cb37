import type { ServerResponse } from "node:http";
import type { GatewayAnswer } from "../gateway/answer.ts";

/** Written and not yet taken by the socket. Above it, reading waits for the client. */
const BUFFERED_BYTES_MAX = 1024 * 1024;
/** Chunks are given to the socket in groups of this size: one system call instead of many. */
const GROUP_BYTES = 1024 * 1024;

/** Sends a whole answer, or streams its body. Settles when everything was given to the socket, or the transfer is broken. */
export async function sendAnswer(
  response: ServerResponse,
  { status, headers, body }: GatewayAnswer,
): Promise<void> {
  response.writeHead(status, withVaryOf(response, headers));
  if (body === undefined || body instanceof Uint8Array) response.end(body);
  else await sendStream(response, body);
}

/** What was put on the response before varies by what decided about it; `writeHead` would write over it. */
function withVaryOf(response: ServerResponse, headers: GatewayAnswer["headers"]): GatewayAnswer["headers"] {
  const before = response.getHeader("Vary");
  if (typeof before !== "string" || headers["vary"] === undefined) return headers;
  return { ...headers, vary: `${before}, ${headers["vary"]}` };
}

/**
 * Sends a body after its head. Never ends cleanly unless everything was sent: a truncated body has to look broken (P8).
 * Never throws.
 */
export async function sendStream(response: ServerResponse, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const group = new ChunkGroup(response);
  try {
    for await (const chunk of chunks) {
      if (response.destroyed) return;
      group.write(chunk);
      if (response.writableLength > BUFFERED_BYTES_MAX) {
        group.flush();
        await drained(response);
      }
    }
    group.flush();
    response.end();
  } catch {
    // The reason has no place in a body that has begun, and a client that has left needs none.
    response.destroy();
  }
}

/**
 * Holds chunks back until there are enough of them, but never longer than until the next turn of the event loop. The first one
 * is given to the socket at once: what follows may take its time, and begins to only when it is asked for.
 */
class ChunkGroup {
  readonly #response: ServerResponse;
  #bytes = 0;
  #isCorked = false;
  #isFirst = true;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  write(chunk: Uint8Array): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#response.cork();
      if (!this.#isFirst) setImmediate(() => this.flush());
    }
    this.#response.write(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#isFirst || this.#bytes >= GROUP_BYTES) this.flush();
    this.#isFirst = false;
  }

  flush(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#bytes = 0;
    this.#response.uncork();
  }
}

function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    response.off("drain", done).off("close", done);
    resolve();
  };
  response.once("drain", done).once("close", done);
  return promise;
}
