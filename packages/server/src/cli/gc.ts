import { setTimeout as sleep } from "node:timers/promises";
import type { GarbageForm } from "../http/routes/admin-gc.ts";
import { CliError } from "./cli-error.ts";
import { callNode } from "./node-client.ts";

export interface GcOptions {
  /** The node's admin listener. */
  readonly admin: string;
  readonly delete: boolean;
  readonly json: boolean;
}

const POLL_MS = 500;
const CALL_TIMEOUT_MS = 20_000;

/**
 * Has the node look for garbage in its vault, and delete it if that is asked for; follows it to its end.
 *
 * @param signal ends the run at the node too.
 * @returns the exit code: 0 when it went through, 1 when it was refused, cancelled or broke off.
 * @throws CliError when the node does not answer, or a run is under way already.
 */
export async function collectGarbage(
  options: GcOptions,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<0 | 1> {
  const { admin } = options;
  const started = await call(admin, "POST", options.delete ? "?delete=true" : "");
  if (started.status === 409) throw new CliError("the node is collecting garbage already");
  let report = started.report;
  while (report.state === "running") {
    if (signal.aborted) ({ report } = await call(admin, "DELETE"));
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    ({ report } = await call(admin, "GET"));
  }
  write(options.json ? `${JSON.stringify(report)}\n` : asText(report));
  return report.state === "done" ? 0 : 1;
}

async function call(admin: string, method: "GET" | "POST" | "DELETE", query = "") {
  const path = `/admin/gc${query}`;
  const { status, body } = await callNode(admin, path, { method, timeoutMs: CALL_TIMEOUT_MS });
  const isKnown = status === 200 || status === 202 || status === 409;
  if (!isKnown || body === undefined) throw new CliError(`${admin}${path} answers ${status}`);
  return { status, report: body as unknown as GarbageForm };
}

function asText(report: GarbageForm): string {
  const { state, marked, looked, recent, garbage, deleted, problem, gaps = [], sample = [] } = report;
  const count = (of: typeof looked): string => `${of?.blocks ?? 0} blocks, ${mib(of?.bytes ?? 0)}`;
  const lines = [
    `${state}${problem == null ? "" : `: ${problem}`}`,
    ...gaps.map(({ root, block, problem: what }) => `  ${root}: ${block} ${what}`),
    `must stay   ${marked?.pins ?? 0} pins, ${marked?.records ?? 0} records, ${marked?.blocks ?? 0} blocks`,
    `looked at   ${count(looked)}`,
    `too recent  ${count(recent)}`,
    `garbage     ${count(garbage)}`,
    ...sample.map((cid) => `  ${cid}`),
    report.delete === true ? `deleted     ${count(deleted)}` : "nothing was deleted: that takes --delete",
  ];
  return `${lines.join("\n")}\n`;
}

function mib(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
