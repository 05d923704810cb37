import type { FastifyInstance, FastifyReply } from "fastify";
import type { GarbageCollector } from "../../pins/sweep/collect-garbage.ts";
import type { GarbageReport } from "../../pins/sweep/garbage-report.ts";
import { queryFlag } from "../request-facts.ts";

export interface AdminGcParts {
  readonly collector: Pick<GarbageCollector, "start" | "cancel" | "report">;
}

/**
 * For the operator: `POST /admin/gc` begins a dry run, `POST /admin/gc?delete=true` one that deletes: 202 with its report, 409 with
 * that of the run under way. `GET /admin/gc` is the report of the last run, `DELETE /admin/gc` ends the one under way.
 */
export function adminGcRoutes({ collector }: AdminGcParts) {
  return (app: FastifyInstance): void => {
    app.post("/admin/gc", (request, reply) => {
      const isStarted = collector.start({ deletes: queryFlag(request, "delete", false) });
      send(reply.code(isStarted ? 202 : 409), collector.report);
    });
    app.get("/admin/gc", (_request, reply) => send(reply, collector.report));
    app.delete("/admin/gc", (_request, reply) => {
      collector.cancel();
      send(reply.code(202), collector.report);
    });
  };
}

function send(reply: FastifyReply, report: GarbageReport | undefined): void {
  void reply
    .header("Cache-Control", "no-store")
    .send(report === undefined ? { state: "never" } : formOf(report));
}

/** As it is on the wire. */
export interface GarbageForm {
  readonly state: GarbageReport["state"] | "never";
  readonly phase?: GarbageReport["phase"];
  readonly delete?: boolean;
  readonly started_at_ms?: number;
  readonly ended_at_ms?: number | null;
  readonly marked?: GarbageReport["marked"];
  readonly looked?: GarbageReport["looked"];
  readonly recent?: GarbageReport["recent"];
  readonly garbage?: GarbageReport["garbage"];
  readonly deleted?: GarbageReport["deleted"];
  readonly sample?: readonly string[];
  readonly gaps?: readonly { readonly root: string; readonly block: string; readonly problem: string }[];
  readonly problem?: string | null;
}

function formOf({ deletes, startedAtMs, endedAtMs, gaps, problem, ...rest }: GarbageReport): GarbageForm {
  return {
    ...rest,
    delete: deletes,
    started_at_ms: startedAtMs,
    ended_at_ms: endedAtMs ?? null,
    gaps: gaps.map((gap) => ({ root: gap.root.toString(), block: gap.cid.toString(), problem: gap.problem })),
    problem: problem ?? null,
  };
}
