import { formatIpnsName } from "@holdfast/core";
import type { FastifyInstance } from "fastify";
import { acknowledge, type AckParts, ackLevelOf } from "../ack.ts";
import { sendJsonLine } from "../json-line.ts";
import { putRecord, type PutRecordParts } from "../put-record.ts";
import { nameArg } from "../request-facts.ts";

/**
 * `POST /api/v0/routing/put`: 200 only when the record is durable (R4, R5). `allow-offline` has no effect: a record is always
 * stored first and propagated behind the answer, for which `ack=routed` waits.
 */
export function routingPutRoute(parts: PutRecordParts & AckParts) {
  return (app: FastifyInstance): void => {
    app.post("/api/v0/routing/put", async (request, reply) => {
      const name = nameArg(request);
      const level = ackLevelOf(request);
      const { record } = await putRecord(parts, request, name);
      reply.header("Cache-Control", "no-store").header("X-IPNS-Sequence", record.sequence.toString());
      const ack = await acknowledge(parts, name, { level, reply });
      const id = formatIpnsName(name, "base58btc");
      const answer = { Extra: "", ID: id, Responses: null, Type: 5 };
      return sendJsonLine(reply, ack === undefined ? answer : { ...answer, Ack: ack });
    });
  };
}
