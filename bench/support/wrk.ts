import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

export interface WrkOptions {
  readonly url: string;
  /** The process that serves; its CPU time is measured. */
  readonly pid?: number;
  readonly connections: number;
  readonly seconds: number;
  /** As `taskset -c` takes them. */
  readonly cpus?: string;
  readonly accept?: string;
  readonly script?: string;
  readonly scriptArgs?: readonly string[];
}

export interface WrkResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
  /** CPU time of the server per request, all its threads, in microseconds. Says more than rates on a shared machine. */
  readonly cpuUs: number;
}

/** One run of wrk, on the second core unless said otherwise. */
export async function wrk(options: WrkOptions): Promise<WrkResult> {
  const args = [
    "-c",
    options.cpus ?? "1",
    "wrk",
    "-t1",
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    "--latency",
  ];
  if (options.script !== undefined) args.push("-s", options.script);
  if (options.accept !== undefined) args.push("-H", `Accept: ${options.accept}`);
  args.push(options.url, ...(options.scriptArgs === undefined ? [] : ["--", ...options.scriptArgs]));
  const beforeUs = cpuUsOf(options.pid);
  const { stdout } = await promisify(execFile)("taskset", args, { maxBuffer: 1 << 20 });
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? 0);
  return {
    perSecond: number(/^Requests\/sec:\s+([\d.]+)/m),
    p50Ms: milliseconds(stdout, "50%"),
    p99Ms: milliseconds(stdout, "99%"),
    errors: number(/Non-2xx or 3xx responses: (\d+)/) + number(/Socket errors: connect \d+, read (\d+)/),
    cpuUs: (cpuUsOf(options.pid) - beforeUs) / Math.max(1, number(/^\s+(\d+) requests in/m)),
  };
}

const CLOCK_TICK_US = 10_000;

/** User and system time of a process so far, in microseconds. @see proc(5), /proc/pid/stat */
function cpuUsOf(pid: number | undefined): number {
  if (pid === undefined) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_US;
}

function milliseconds(text: string, row: string): number {
  const [, value = "0", unit = "ms"] = new RegExp(`^\\s+${row}\\s+([\\d.]+)(us|ms|s)`, "m").exec(text) ?? [];
  return Number(value) * (unit === "us" ? 0.001 : unit === "s" ? 1000 : 1);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Frees a process that was started pinned, all its threads. */
export async function useBothCores(pid: number): Promise<void> {
  await promisify(execFile)("taskset", ["-acp", "0,1", String(pid)]);
}
