import type { IncomingMessage, ServerResponse } from "node:http";
import { HoldfastError, type IpnsName, parseIpnsName } from "@holdfast/core";
import type { FastifyRequest } from "fastify";

/** The first value of a query parameter; the others of a repeated one are ignored, like unknown parameters. */
export function queryText(request: FastifyRequest, parameter: string): string | undefined {
  const value = (request.query as Readonly<Record<string, unknown>>)[parameter];
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" ? first : undefined;
}

/**
 * A flag in Go's spellings, as Kubo's clients send them; an empty value means true.
 *
 * @throws HoldfastError `INVALID_ARGUMENT`.
 */
export function queryFlag(request: FastifyRequest, parameter: string, fallback: boolean): boolean {
  const text = queryText(request, parameter);
  if (text === undefined) return fallback;
  if (text === "" || /^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `could not convert value ${JSON.stringify(text.slice(0, 50))} to type "bool" (for option "-${parameter}")`,
  );
}

/** The `arg` of a command. @throws HoldfastError `INVALID_ARGUMENT` when it is missing. */
export function requiredArg(request: FastifyRequest, what: string): string {
  const arg = queryText(request, "arg");
  if (arg === undefined || arg === "")
    throw new HoldfastError("INVALID_ARGUMENT", `argument "${what}" is required`);
  return arg;
}

/** @throws HoldfastError `INVALID_ARGUMENT` when there is no `arg`, `INVALID_NAME` when it is not a name. */
export function nameArg(request: FastifyRequest): IpnsName {
  return parseIpnsName(requiredArg(request, "key"));
}

declare module "fastify" {
  interface FastifyInstance {
    /** Takes one read that asks the network first out of the client's rate. Absent: there is no rate. */
    takeFreshRead?: (request: IncomingMessage) => boolean;
  }
}

/**
 * Whether the network is to be asked first: the client insists (`X-No-Cache: 1`, `Cache-Control: no-cache`) and has not used
 * up its rate of such reads, of which each call takes one.
 */
export function wantsFresh(request: FastifyRequest): boolean {
  const { "x-no-cache": noCache, "cache-control": cacheControl = "" } = request.headers;
  const insists =
    (typeof noCache === "string" && !/^(|0|false)$/i.test(noCache.trim())) ||
    /(?:^|,)\s*no-cache\b/i.test(cacheControl);
  return insists && mayAskFirst(request);
}

/** As {@link wantsFresh}, for a client that insists in another way. */
export function mayAskFirst(request: FastifyRequest): boolean {
  return request.server.takeFreshRead?.(request.raw) ?? true;
}

/** Whether another Holdfast asks, perhaps because we asked it: what we do for it must not end at us again (RFC 8586). */
export function isFromHoldfast({ headers }: FastifyRequest): boolean {
  return /(?:^|,)\s*holdfast\b/.test(String(headers["cdn-loop"] ?? ""));
}

/** Aborts when the client leaves before its answer is complete. */
export function closeSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}
