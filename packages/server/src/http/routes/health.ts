import type { FastifyInstance } from "fastify";

/** `GET`, `HEAD /health`: the process answers. `/ready` on the admin listener says whether it is any use. */
export function healthRoute(app: FastifyInstance): void {
  app.route({
    method: ["GET", "HEAD"],
    url: "/health",
    handler: (_request, reply) => {
      void reply
        .header("Content-Type", "text/plain; charset=utf-8")
        .header("Cache-Control", "no-store")
        .send("healthy\n");
    },
  });
}
