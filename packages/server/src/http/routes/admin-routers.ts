import type { FastifyInstance } from "fastify";
import type { RouterStatus } from "../../records/lookup/router-health.ts";
import { sendJsonLine } from "../json-line.ts";

export interface RouterStatusSource {
  status(): readonly (RouterStatus & { readonly reads: boolean; readonly writes: boolean })[];
}

/** `GET /admin/routers`: how each router has done since the start, the best first. */
export function adminRoutersRoute({ routers }: { readonly routers: RouterStatusSource }) {
  return (app: FastifyInstance): void => {
    app.get("/admin/routers", (_request, reply) => {
      const list = [...routers.status()].sort((a, b) => b.score - a.score);
      reply.header("Cache-Control", "no-store");
      return sendJsonLine(reply, {
        routers: list.map((status) => ({
          ...status,
          score: rounded(status.score),
          reliability: rounded(status.reliability),
          latencyMs: status.latencyMs === null ? null : Math.round(status.latencyMs),
          pauseLeftMs: Math.round(status.pauseLeftMs),
        })),
      });
    });
  };
}

const rounded = (share: number): number => Math.round(share * 1000) / 1000;
