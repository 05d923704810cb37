import { randomUUID } from "node:crypto";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { tooLarge } from "../http-client/read-body.ts";

export interface KuboHttpOptions {
  /** What all paths have in front of them, e.g. `http://127.0.0.1:5001/api/v0/`. */
  readonly baseUrl: string;
  /** The whole value of the header: a secret. */
  readonly authorization?: string | undefined;
}

/** A file that a command takes: its bytes, or where they come from, piece by piece. */
export type KuboFile = Uint8Array | AsyncIterable<Uint8Array>;

export interface KuboRequest {
  /** Default: POST, which all commands want. */
  readonly method?: "GET" | undefined;
  /** Below the base, with the query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly file?: KuboFile | undefined;
  /** Called whenever Kubo has taken a piece of the file. */
  readonly onSent?: (() => void) | undefined;
  readonly signal: AbortSignal;
}

export interface KuboHttpAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: KuboBody;
  /** The connection it came over, to be compared with another. */
  readonly connection: object;
}

/** Kubo failed after the first byte of its answer. */
export class KuboStreamError extends Error {
  override readonly name = "KuboStreamError";
}

/** More connections than this are not kept when nothing is asked. */
const IDLE_CONNECTIONS_MAX = 64;

/**
 * Requests to Kubo over connections that are kept. Not the platform's fetch: Kubo tells in a trailer that a command failed
 * after its first byte, and fetch conceals trailers.
 */
export class KuboHttp implements Disposable {
  readonly #options: KuboHttpOptions;
  readonly #agent: Agent;
  readonly #isTls: boolean;
  readonly #base: URL;

  constructor(options: KuboHttpOptions, { connectionsMax = Infinity } = {}) {
    this.#options = options;
    this.#isTls = options.baseUrl.startsWith("https:");
    this.#base = new URL(options.baseUrl);
    const agentOptions = {
      keepAlive: true,
      maxSockets: connectionsMax,
      maxFreeSockets: Math.min(IDLE_CONNECTIONS_MAX, connectionsMax),
      scheduling: "lifo",
    } as const;
    this.#agent = this.#isTls ? new TlsAgent(agentOptions) : new Agent(agentOptions);
  }

  /** The same server, over one connection of its own. */
  alone(): KuboHttp {
    return new KuboHttp(this.#options, { connectionsMax: 1 });
  }

  /** Settles with the head of the answer. An abort ends the request, and the body as well. */
  async ask(asked: KuboRequest): Promise<KuboHttpAnswer> {
    const sent = this.#send(asked);
    try {
      return await sent.answer;
    } catch (err) {
      if (asked.signal.aborted || !wasClosedWhileIdle(sent.request, err, asked)) throw err;
      return await this.#send(asked).answer;
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #send(asked: KuboRequest): { readonly request: ClientRequest; readonly answer: Promise<KuboHttpAnswer> } {
    const { method = "POST", path, headers, file, signal } = asked;
    const { authorization } = this.#options;
    const { hostname, port, pathname } = this.#base;
    const form = file === undefined ? undefined : formAround(file);
    const message = (this.#isTls ? tlsRequest : request)({
      // An IPv6 address has brackets in a URL and nowhere else.
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port,
      path: `${pathname}${path}`,
      method,
      agent: this.#agent,
      headers: {
        ...headers,
        ...form?.headers,
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
    });
    const answer = new Promise<KuboHttpAnswer>((resolve, reject) => {
      let response: IncomingMessage | undefined;
      const end = (): void => void (response ?? message).destroy(signal.reason as Error);
      // Listened to for ever: a request that is over may still fail.
      message.on("error", reject);
      message.once("close", () => signal.removeEventListener("abort", end));
      message.once("response", (incoming) => {
        response = incoming;
        // Whoever answers before he has the whole file does not want the rest.
        incoming.once("end", () => void (message.writableEnded || message.destroy()));
        const { statusCode = 0, socket } = incoming;
        const contentType = incoming.headers["content-type"];
        resolve({ status: statusCode, contentType, body: new KuboBody(incoming), connection: socket });
      });
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
    });
    if (form === undefined) message.end();
    else form.writeTo(message, asked.onSent ?? (() => {}));
    return { request: message, answer };
  }
}

/** The body of an answer, read as that of the platform's fetch is. */
export class KuboBody {
  readonly #response: IncomingMessage;
  #chunks: AsyncIterator<Buffer, undefined> | undefined;

  constructor(response: IncomingMessage) {
    this.#response = response;
    // It may break off before anybody reads.
    response.on("error", () => {});
  }

  /** @throws KuboStreamError in place of the end, when Kubo says that the command failed; Error when the answer breaks off. */
  async read(): ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]> {
    this.#chunks ??= this.#response[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    const { done, value } = await this.#chunks.next();
    if (done !== true) return { done: false, value };
    this.#assertIsWhole();
    return { done: true, value: undefined };
  }

  /**
   * All of it, in a buffer of its own. Not piece by piece: Kubo sends a block in some seventy, and each would cost a turn.
   *
   * @throws as {@link read}; Error when there are more than `bytesMax` bytes.
   */
  async readAll(bytesMax: number): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    let bodyBytes = 0;
    await new Promise<void>((resolve, reject) => {
      this.#response
        .on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          bodyBytes += chunk.byteLength;
          if (bodyBytes > bytesMax) this.#response.destroy(tooLarge(bytesMax));
        })
        .once("end", resolve)
        .once("error", reject)
        .once("close", () => reject(new Error("the answer broke off")));
    });
    this.#assertIsWhole();
    // Not filled with zeros first, and not a part of a larger buffer.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(bodyBytes).buffer);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.byteLength;
    }
    return bytes;
  }

  /** Closes the connection, unless the body came to its end. */
  cancel(): void {
    if (!this.#response.readableEnded) this.#response.destroy();
  }

  #assertIsWhole(): void {
    const failure = this.#response.trailers["x-stream-error"];
    if (failure !== undefined) throw new KuboStreamError(failure);
  }
}

/** A server, or a proxy before it, may close a connection in the moment in which it is used again. */
function wasClosedWhileIdle({ reusedSocket }: ClientRequest, err: unknown, { file }: KuboRequest): boolean {
  if (!reusedSocket || !(file === undefined || file instanceof Uint8Array)) return false;
  return err instanceof Error && "code" in err && (err.code === "ECONNRESET" || err.code === "EPIPE");
}

interface Form {
  readonly headers: Readonly<Record<string, string>>;
  writeTo(message: ClientRequest, onSent: () => void): void;
}

/** The one file of a command as `multipart/form-data`. */
function formAround(file: KuboFile): Form {
  const boundary = randomUUID();
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const headers = { "Content-Type": `multipart/form-data; boundary=${boundary}` };
  if (file instanceof Uint8Array) {
    const whole = Buffer.concat([head, file, tail]);
    return {
      headers: { ...headers, "Content-Length": String(whole.byteLength) },
      writeTo: (message) => void message.end(whole),
    };
  }
  return {
    headers,
    writeTo(message, onSent) {
      pour(message, head, file, onSent).then(
        (isWhole) => void (isWhole && message.end(tail)),
        (err: unknown) => message.destroy(err as Error),
      );
    },
  };
}

/** Writes no faster than it is read. False when the request was over before everything was written. */
async function pour(
  message: ClientRequest,
  head: Uint8Array,
  pieces: AsyncIterable<Uint8Array>,
  onSent: () => void,
): Promise<boolean> {
  const over = Promise.withResolvers<void>();
  for (const event of ["response", "error", "close"]) message.once(event, () => over.resolve());
  let isOver = false;
  void over.promise.then(() => (isOver = true));
  message.write(head);
  for await (const piece of pieces) {
    if (isOver) return false;
    if (!message.write(piece)) {
      const drained = new Promise((resolve) => void message.once("drain", resolve));
      await Promise.race([drained, over.promise]);
    }
    onSent();
  }
  return !isOver;
}
