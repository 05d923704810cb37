import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Records, Resolution } from "../../records/records.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { lookupTiming, withMissTiming } from "../lookup-timing.ts";
import {
  factsOf,
  headersByName,
  isNoneMatch,
  routingGetBody,
  routingGetHeaders,
  signatureTag,
} from "../record-headers.ts";
import { closeSignal, nameArg, wantsFresh } from "../request-facts.ts";

export interface RoutingGetParts {
  readonly records: Pick<Records, "resolve">;
  readonly clock: Clock;
}

/**
 * `GET`, `POST /api/v0/routing/get`: the record as Kubo's RPC gives it, with what is known about its freshness. What is held
 * and asked for plainly is answered in `hot-path.ts`; this is the rest: cold names, `X-No-Cache`, conditional requests.
 */
export function routingGetRoute(parts: RoutingGetParts) {
  return (app: FastifyInstance): void => {
    app.route({
      method: ["GET", "POST"],
      url: "/api/v0/routing/get",
      handler: async (request, reply) => answer(parts, request, reply),
    });
  };
}

async function answer(
  parts: RoutingGetParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { records, clock } = parts;
  const name = nameArg(request);
  const askFirst = wantsFresh(request);
  const signal = closeSignal(reply.raw);
  const startedAtMs = clock.nowMs();
  let resolution: Resolution;
  try {
    resolution = await records.resolve(name, { signal, ask: askFirst ? "first" : "if-absent" });
  } catch (err) {
    throw withMissTiming(err, clock.nowMs() - startedAtMs);
  }
  const timing = lookupTiming(resolution, clock.nowMs() - startedAtMs);
  if (timing !== undefined) reply.header("Server-Timing", timing);
  const body = routingGetBody(resolution.stored.record.bytes);
  const headers = headersByName(routingGetHeaders(factsOf(resolution, clock.nowMs(), askFirst), body));
  if (isNoneMatch(request.headers["if-none-match"], signatureTag(resolution.stored))) {
    const { "Content-Type": _type, "Content-Length": _length, ...kept } = headers;
    return reply.code(304).headers(kept).send();
  }
  return reply.headers(headers).send(Buffer.from(body, "latin1"));
}
