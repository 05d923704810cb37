import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { GatewayAnswer } from "../../gateway/answer.ts";
import { answerContent } from "../../gateway/answer-content.ts";
import { answerBeforePath } from "../../gateway/before-path.ts";
import type { BlockReader, NameResolver } from "../../gateway/block-reader.ts";
import type { ContentRequest } from "../../gateway/content-request.ts";
import { answerOnOrigin } from "../../gateway/hosts/answer-on-origin.ts";
import { pathOnOrigin, siteOf } from "../../gateway/hosts/content-origin.ts";
import { parseRequestPath } from "../../gateway/request-path.ts";
import { Retrieval } from "../../gateway/retrieval.ts";
import type { Records } from "../../records/records.ts";
import { watchAnswer } from "../content-cache.ts";
import { type RequestOnOrigin, requestOnOrigin } from "../gateway-hosts.ts";
import { wantsFresh } from "../request-facts.ts";
import { sendAnswer } from "../send-answer.ts";

export interface ContentParts {
  readonly blocks: BlockReader;
  readonly records: Pick<Records, "resolve" | "resolvePath">;
}

export interface ContentOptions {
  /** Without a block for so long a request is answered 504. */
  readonly retrievalTimeoutMs?: number;
}

const RETRIEVAL_TIMEOUT_MS = 30_000;
const CLIENT_LEFT = new Error("the client has left");

/** `GET`, `HEAD` `/ipfs/{cid}[/path]` and `/ipns/{name}[/path]`. What is answered is decided in `gateway/`. */
export function contentRoutes(parts: ContentParts, options: ContentOptions = {}) {
  const timeoutMs = options.retrievalTimeoutMs ?? RETRIEVAL_TIMEOUT_MS;
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const onlyHeld = request.headers["cache-control"]?.trim().toLowerCase() === "only-if-cached";
    const watch = watchAnswer(request, reply.raw, parts);
    using retrieval = new Retrieval(watch.blocks, { timeoutMs, onlyHeld });
    stopWhenClientLeaves(reply.raw, retrieval);
    const answer = watch.finish(await answerTo(request, watch.names, retrieval));
    reply.hijack();
    // Not every error is thrown: a 416 and the error page of a website are answers.
    if (answer.status >= 400) reply.raw.setHeader("X-Request-Id", request.id);
    await sendAnswer(reply.raw, answer);
    return reply;
  };
  return (app: FastifyInstance): void => {
    for (const url of ["/ipfs", "/ipfs/*", "/ipns", "/ipns/*"])
      app.route({ method: ["GET", "HEAD"], url, handler });
  };
}

function stopWhenClientLeaves(response: ServerResponse, retrieval: Retrieval): void {
  response.once("close", () => {
    retrieval.stop(CLIENT_LEFT);
  });
}

async function answerTo(
  request: FastifyRequest,
  names: NameResolver,
  retrieval: Retrieval,
): Promise<GatewayAnswer> {
  const onOrigin = requestOnOrigin(request.raw);
  if (onOrigin !== undefined) return answerOnOrigin(contentRequestOf(request, onOrigin), names, retrieval);
  const isServiceWorker = request.headers["service-worker"] === "script";
  return (
    answerBeforePath(targetOf(request), { isServiceWorker }) ??
    (await answerContent(contentRequestOf(request, undefined), names, retrieval))
  );
}

/** The raw target: a decoded or normalised one cannot name everything. */
function targetOf(request: FastifyRequest): string {
  return request.raw.url ?? "";
}

function contentRequestOf(request: FastifyRequest, onOrigin: RequestOnOrigin | undefined): ContentRequest {
  const { headers } = request;
  const { "if-range": ifRange } = headers;
  return {
    method: request.method === "HEAD" ? "HEAD" : "GET",
    ...(onOrigin === undefined
      ? { path: parseRequestPath(targetOf(request)) }
      : { path: pathOnOrigin(onOrigin.origin, onOrigin.target), site: siteOf(onOrigin.origin) }),
    accept: headers.accept,
    ifNoneMatch: headers["if-none-match"],
    ifModifiedSince: headers["if-modified-since"],
    ifRange: typeof ifRange === "string" ? ifRange : undefined,
    range: headers.range,
    askFirst: wantsFresh(request),
  };
}
