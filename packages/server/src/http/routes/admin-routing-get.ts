import { HoldfastError, parseIpnsName } from "@holdfast/core";
import type { FastifyInstance } from "fastify";
import type { Records } from "../../records/records.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { headersByName, routingGetBody, routingGetHeaders } from "../record-headers.ts";
import { queryText, requiredArg } from "../request-facts.ts";

export interface AdminRoutingGetParts {
  readonly records: Pick<Records, "peek" | "freshnessOf">;
  readonly clock: Clock;
}

/**
 * `GET`, `POST /routing-get?arg=|name=`: the record if it is held, else 404 at once. Never asks the network: the proxy of the
 * reference system falls through to Kubo by itself.
 */
export function adminRoutingGetRoute({ records, clock }: AdminRoutingGetParts) {
  return (app: FastifyInstance): void => {
    app.route({
      method: ["GET", "POST"],
      url: "/routing-get",
      handler: (request, reply) => {
        const name = parseIpnsName(queryText(request, "name") ?? requiredArg(request, "arg"));
        const stored = records.peek(name);
        if (stored === undefined) throw new HoldfastError("RECORD_NOT_FOUND", "routing: not found");
        const nowMs = clock.nowMs();
        const stale = records.freshnessOf(stored, nowMs) !== "fresh";
        const body = routingGetBody(stored.record.bytes);
        const facts = { stored, stale, nowMs, cacheStatus: stale ? "STALE" : "HIT" } as const;
        void reply.headers(headersByName(routingGetHeaders(facts, body))).send(Buffer.from(body, "latin1"));
      },
    });
  };
}
