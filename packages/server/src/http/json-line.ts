import type { FastifyReply } from "fastify";

/** One JSON object on a line, as Kubo's RPC answers. As bytes: to text the framework would add a charset to the type. */
export function sendJsonLine(reply: FastifyReply, value: Readonly<Record<string, unknown>>): FastifyReply {
  return reply.header("Content-Type", "application/json").send(Buffer.from(`${JSON.stringify(value)}\n`));
}
