import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { GatewayAnswer } from "../../gateway/answer.ts";
import { answerContent, type ContentRequest } from "../../gateway/answer-content.ts";
import type { BlockReader, NameResolver } from "../../gateway/block-reader.ts";
import { parseRequestPath } from "../../gateway/request-path.ts";
import { Retrieval } from "../../gateway/retrieval.ts";
import { wantsFresh } from "../request-facts.ts";

export interface ContentParts {
  readonly blocks: BlockReader;
  readonly records: NameResolver;
}

export interface ContentOptions {
  /** Without a block for so long a request is answered 504. */
  readonly retrievalTimeoutMs?: number;
}

const RETRIEVAL_TIMEOUT_MS = 30_000;
/** Written and not yet taken by the socket. Above it, reading waits for the client. */
const BUFFERED_BYTES_MAX = 1024 * 1024;

/** `GET`, `HEAD` `/ipfs/{cid}[/path]` and `/ipns/{name}[/path]`. What is answered is decided in `gateway/`. */
export function contentRoutes(parts: ContentParts, options: ContentOptions = {}) {
  const timeoutMs = options.retrievalTimeoutMs ?? RETRIEVAL_TIMEOUT_MS;
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const onlyHeld = request.headers["cache-control"]?.trim().toLowerCase() === "only-if-cached";
    using retrieval = new Retrieval(parts.blocks, { timeoutMs, onlyHeld });
    // A client that leaves stops what nobody else waits for.
    reply.raw.once("close", () => retrieval.stop(new Error("the client has left")));
    const answer = await answerContent(contentRequestOf(request), parts.records, retrieval);
    await sendAnswer(reply, answer);
    return reply;
  };
  return (app: FastifyInstance): void => {
    for (const url of ["/ipfs/*", "/ipns/*"]) app.route({ method: ["GET", "HEAD"], url, handler });
  };
}

function contentRequestOf(request: FastifyRequest): ContentRequest {
  const { headers } = request;
  return {
    method: request.method === "HEAD" ? "HEAD" : "GET",
    // The raw target: a decoded or normalised one cannot name everything.
    path: parseRequestPath(request.raw.url ?? ""),
    accept: headers.accept,
    ifNoneMatch: headers["if-none-match"],
    ifRange: typeof headers["if-range"] === "string" ? headers["if-range"] : undefined,
    range: headers.range,
    askFirst: wantsFresh(request),
  };
}

async function sendAnswer(reply: FastifyReply, { status, headers, body }: GatewayAnswer): Promise<void> {
  if (body !== undefined && !(body instanceof Uint8Array)) {
    reply.hijack();
    reply.raw.writeHead(status, headers);
    await sendStream(reply.raw, body);
    return;
  }
  reply.code(status).headers(headers);
  reply.send(body === undefined ? undefined : Buffer.from(body.buffer, body.byteOffset, body.byteLength));
}

/** Never ends cleanly unless everything was sent: a truncated body has to look broken (P8). */
async function sendStream(response: ServerResponse, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (response.destroyed) return;
      response.write(chunk);
      if (response.writableLength > BUFFERED_BYTES_MAX) await drained(response);
    }
    response.end();
  } catch {
    // The reason has no place in a body that has begun, and a client that has left needs none.
    response.destroy();
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
