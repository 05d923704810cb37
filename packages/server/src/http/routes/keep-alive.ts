import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { KeepAlive } from "../../records/keep-alive/keep-alive.ts";
import type { ReannounceOperation } from "../../records/keep-alive/reannouncement.ts";
import { sendJsonLine } from "../json-line.ts";
import { viewKeepAlive, viewOperation } from "../keep-alive-view.ts";

export interface KeepAliveRouteParts {
  readonly keepAlive: Pick<KeepAlive, "status" | "reannounce" | "operation" | "cancelOperation">;
  /** Absent: nothing is announced to relays. */
  readonly announce?: { reannounce(): Promise<boolean> };
}

/**
 * `GET /admin/keep-alive`: how every record is kept alive at every target. `POST /reannounce`: starts a pass that puts all names
 * again and answers 202 at once (R15); while one runs, the answer is that one. `GET`, `DELETE /admin/operations/{id}`: looks it
 * up, cancels it.
 */
export function keepAliveRoutes({ keepAlive, announce }: KeepAliveRouteParts) {
  return (app: FastifyInstance): void => {
    app.get("/admin/keep-alive", (_request, reply) => send(reply, viewKeepAlive(keepAlive.status())));
    app.post("/reannounce", async (_request, reply) => {
      // All pins to the relays, too; how far that is, `/admin/announce` says.
      await announce?.reannounce();
      const operation = await keepAlive.reannounce();
      const url = `/admin/operations/${operation.id}`;
      return send(reply.code(202).header("Location", url), viewOperation(operation));
    });
    const url = "/admin/operations/:id";
    app.get(url, (request, reply) => {
      const operation = keepAlive.operation(idOf(request.params));
      return send(reply, viewOperation(found(operation)));
    });
    app.delete(url, async (request, reply) => {
      const operation = await keepAlive.cancelOperation(idOf(request.params));
      return send(reply, viewOperation(found(operation)));
    });
  };
}

function send(reply: FastifyReply, body: Readonly<Record<string, unknown>>): FastifyReply {
  return sendJsonLine(reply.header("Cache-Control", "no-store"), body);
}

function idOf(params: unknown): string {
  return (params as { readonly id: string }).id;
}

function found(operation: ReannounceOperation | undefined): ReannounceOperation {
  if (operation === undefined) throw new HoldfastError("ROUTE_NOT_FOUND", "there is no such operation");
  return operation;
}
