import { isHoldfastError, parseIpnsName } from "@holdfast/core";
import type { ComparisonView } from "../http/routes/admin-compare.ts";
import { CliError } from "./cli-error.ts";
import { callNode } from "./node-client.ts";
import { printable } from "./printable.ts";

export interface DoctorNameOptions {
  /** In any spelling. */
  readonly name: string;
  /** The admin listener of a node. */
  readonly node: string;
  readonly json: boolean;
}

/** The node itself takes at most 15 s. */
const ANSWER_MS_MAX = 30_000;

/**
 * Asks a node what memory, disk and each router say of a name, and prints it with who wins and why.
 *
 * @returns the exit code: 0 when all who answered give the record that the node holds, 1 when they do not, 2 without an answer.
 */
export async function examineName(
  options: DoctorNameOptions,
  write: (text: string) => void,
): Promise<0 | 1 | 2> {
  try {
    const view = await fetchComparison(options);
    write(options.json ? `${JSON.stringify(view, undefined, 2)}\n` : comparisonAsTable(view));
    return view.agreed ? 0 : 1;
  } catch (err) {
    if (!(err instanceof CliError) && !isHoldfastError(err)) throw err;
    write(options.json ? `${JSON.stringify({ error: err.message })}\n` : `! ${err.message}\n`);
    return 2;
  }
}

async function fetchComparison({ name, node }: DoctorNameOptions): Promise<ComparisonView> {
  const path = `/admin/names/${parseIpnsName(name).text}/compare`;
  const { status, body } = await callNode(node, path, { timeoutMs: ANSWER_MS_MAX });
  if (status !== 200 || body === undefined)
    throw new CliError(`${node} answers ${status}: is it the admin listener of a Holdfast?`);
  return body as unknown as ComparisonView;
}

const HEADINGS = ["", "source", "answer", "sequence", "valid until", "ms", "value, or what is wrong"];

function comparisonAsTable({ name, sources, explanation }: ComparisonView): string {
  const rows = sources.flatMap(({ label, state, latencyMs, error, records }): string[][] => {
    if (records.length === 0) return [["", label, state, "", "", String(latencyMs), error ?? ""]];
    return records.map(({ wins, valid, problem, times, record }) => [
      wins ? "✓" : "!",
      times > 1 ? `${label} ×${times}` : label,
      valid ? (wins ? "wins" : "loses") : "invalid",
      record?.sequenceText ?? "",
      record?.eol ?? "",
      String(latencyMs),
      problem ?? record?.value ?? "",
    ]);
  });
  const all = [HEADINGS, ...rows];
  const widths = HEADINGS.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const text = [name, "", ...lines, "", ...explanation];
  return `${text.map(printable).join("\n")}\n`;
}
