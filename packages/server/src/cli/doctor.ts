import { isHoldfastError } from "@holdfast/core";
import type { KuboSetting } from "../doctor/check.ts";
import { fetchFacts, KuboCalls } from "../doctor/fetch-facts.ts";
import { type Finding, findProblems } from "../doctor/find-problems.ts";
import { type AppliedSetting, reportAsJson, reportAsTable } from "../doctor/report.ts";

export interface DoctorOptions {
  /** Kubo's RPC. A login may stand in it: `http://user:password@host:port`. */
  readonly rpc: string;
  readonly apply: boolean;
  readonly json: boolean;
}

/**
 * Looks at a Kubo and prints what is wrong; with `apply` sets what is safe and looks again.
 *
 * @returns the exit code: 0 when nothing is critical, 1 when something is or a setting was refused, 2 when there is no
 *   Kubo to look at.
 */
export async function examine(
  options: DoctorOptions,
  write: (text: string) => void,
  timing: { readonly callTimeoutMs?: number } = {},
): Promise<0 | 1 | 2> {
  try {
    const rpc = new KuboCalls(options.rpc, timing);
    const facts = await fetchFacts(rpc);
    const findings = findProblems(facts);
    const applied = options.apply ? await applySafe(rpc, findings) : undefined;
    const report = { rpcUrl: rpc.shownUrl, facts, findings, applied };
    write(options.json ? reportAsJson(report) : reportAsTable(report));
    const isRefused = applied?.some((setting) => setting.error !== undefined) ?? false;
    return isRefused || findings.some((finding) => finding.severity === "critical") ? 1 : 0;
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    write(options.json ? `${JSON.stringify({ error: err.message })}\n` : `! ${err.message}\n`);
    return 2;
  }
}

/** Sets what is safe, one key after the other, and reads the configuration again to see that it took. */
async function applySafe(rpc: KuboCalls, findings: readonly Finding[]): Promise<readonly AppliedSetting[]> {
  const applied: AppliedSetting[] = [];
  for (const { id, settings } of findings.filter((finding) => finding.safe)) {
    for (const setting of settings) applied.push({ id, ...setting, ...(await trySet(rpc, setting)) });
  }
  if (applied.length === 0) return applied;
  const left = new Set(findProblems(await fetchFacts(rpc)).map((finding) => finding.id));
  return applied.map((setting) =>
    setting.error === undefined && left.has(setting.id)
      ? { ...setting, error: "Kubo took it, and it is still as it was" }
      : setting,
  );
}

async function trySet(rpc: KuboCalls, { key, value }: KuboSetting): Promise<{ error?: string }> {
  const query = new URLSearchParams([
    ["arg", key],
    ["arg", JSON.stringify(value)],
    ["json", "true"],
  ]);
  try {
    await rpc.json(`config?${query.toString()}`);
    return {};
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    return { error: err.message };
  }
}
