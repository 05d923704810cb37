import { parseIpnsName } from "@holdfast/core";
import type { FastifyInstance } from "fastify";
import type { NameComparer, NameComparison } from "../../records/lookup/compare-name.ts";
import { explainComparison, isInAgreement } from "../../records/lookup/explain-comparison.ts";
import { sendJsonLine } from "../json-line.ts";
import { isoOf, type RecordView, viewName, viewRecord } from "../name-view.ts";
import { closeSignal } from "../request-facts.ts";

/** What `GET /admin/names/{name}/compare` answers, and `holdfast doctor --name` prints. */
export interface ComparisonView {
  readonly name: string;
  readonly at: string;
  /** Whether all who answered give the record that we hold. */
  readonly agreed: boolean;
  readonly winner: RecordView | null;
  /** In sentences. */
  readonly explanation: readonly string[];
  readonly sources: readonly {
    readonly kind: string;
    readonly label: string;
    readonly state: string;
    readonly latencyMs: number;
    readonly error: string | null;
    readonly records: readonly {
      readonly valid: boolean;
      readonly wins: boolean;
      readonly problem: string | null;
      readonly times: number;
      readonly record: RecordView | null;
    }[];
  }[];
}

/** `GET /admin/names/{name}/compare`: what memory, disk and each router say of a name, who wins and why. Asks all, stores nothing. */
export function adminCompareRoute({ comparer }: { readonly comparer: Pick<NameComparer, "compare"> }) {
  return (app: FastifyInstance): void => {
    app.get("/admin/names/:name/compare", async (request, reply) => {
      const name = parseIpnsName((request.params as { readonly name: string }).name);
      const comparison = await comparer.compare(name, { signal: closeSignal(reply.raw) });
      return sendJsonLine(reply.header("Cache-Control", "no-store"), { ...view(comparison) });
    });
  };
}

function view(comparison: NameComparison): ComparisonView {
  const { name, atMs, winner, sources } = comparison;
  const winnerBytes = winner === undefined ? undefined : Buffer.from(winner.bytes);
  return {
    name: viewName(name).name,
    at: isoOf(atMs),
    agreed: isInAgreement(comparison),
    winner: winner === undefined ? null : viewRecord(name, winner, atMs),
    explanation: explainComparison(comparison),
    sources: sources.map(({ records, error = null, kind, label, state, latencyMs }) => ({
      kind,
      label,
      state,
      latencyMs: Math.round(latencyMs),
      error,
      records: records.map(({ record, problem, times }) => ({
        valid: problem === undefined,
        wins: problem === undefined && record !== undefined && winnerBytes?.equals(record.bytes) === true,
        problem: problem ?? null,
        times,
        record: record === undefined ? null : viewRecord(name, record, atMs),
      })),
    })),
  };
}
