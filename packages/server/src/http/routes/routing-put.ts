import { formatIpnsName, HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { sendJsonLine } from "../json-line.ts";
import { putRecord, type PutRecordParts } from "../put-record.ts";
import { nameArg, queryText } from "../request-facts.ts";

/**
 * `POST /api/v0/routing/put`: 200 only when the record is durable (R4, R5). `allow-offline` has no effect: a record is always
 * stored first and propagated behind the answer.
 */
export function routingPutRoute(parts: PutRecordParts) {
  return (app: FastifyInstance): void => {
    app.post("/api/v0/routing/put", async (request, reply) => {
      const name = nameArg(request);
      assertAckIsOffered(request);
      const { record } = await putRecord(parts, request, name);
      reply.header("Cache-Control", "no-store").header("X-IPNS-Sequence", record.sequence.toString());
      const id = formatIpnsName(name, "base58btc");
      return sendJsonLine(reply, { Extra: "", ID: id, Responses: null, Type: 5 });
    });
  };
}

function assertAckIsOffered(request: FastifyRequest): void {
  const header = request.headers["x-holdfast-ack"];
  const ack = queryText(request, "ack") ?? (Array.isArray(header) ? header[0] : header) ?? "stored";
  if (ack === "stored" || ack === "") return;
  const isKnown = ack === "routed" || /^peers=\d{1,4}$/.test(ack);
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    isKnown ? `ack=${ack} is not offered yet; ack=stored is` : "ack is not one of stored, routed, peers=N",
  );
}
