import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const VEGETA = fileURLToPath(new URL("../../.cache/servers/vegeta", import.meta.url));

export interface FixedRateResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly successRatio: number;
}

/**
 * GETs at a fixed rate, whatever the answers take, from both cores: latencies without the generator's own queue.
 *
 * @param url one, or several to be asked for in turn.
 */
export async function readAtRate(
  url: string | readonly string[],
  options: { readonly perSecond: number; readonly seconds: number; readonly connections: number },
): Promise<FixedRateResult> {
  const { perSecond, seconds, connections } = options;
  const command = `taskset -c 0,1 ${VEGETA} attack -rate=${perSecond} -duration=${seconds}s -connections=${connections} -max-workers=${connections} | ${VEGETA} report -type=json`;
  const running = promisify(execFile)("sh", ["-c", command]);
  const urls = typeof url === "string" ? [url] : url;
  running.child.stdin?.end(urls.map((target) => `GET ${target}\n`).join(""));
  const { stdout } = await running;
  const report = JSON.parse(stdout) as { latencies: { "50th": number; "99th": number }; success: number };
  return {
    p50Ms: report.latencies["50th"] / 1e6,
    p99Ms: report.latencies["99th"] / 1e6,
    successRatio: report.success,
  };
}
