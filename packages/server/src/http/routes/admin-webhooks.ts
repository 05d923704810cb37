import type { FastifyInstance } from "fastify";
import type { Webhooks } from "../../records/webhooks/webhooks.ts";
import { sendJsonLine } from "../json-line.ts";

/** `GET /admin/webhooks`: each webhook, what waits for it and how it fares. */
export function adminWebhooksRoute(webhooks: Pick<Webhooks, "status"> | undefined) {
  return (app: FastifyInstance): void => {
    app.get("/admin/webhooks", (_request, reply) => {
      sendJsonLine(reply.header("Cache-Control", "no-store"), { webhooks: webhooks?.status() ?? [] });
    });
  };
}
