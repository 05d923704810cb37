import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const CLI = fileURLToPath(new URL("../../packages/server/dist/cli/main.js", import.meta.url));
/** Less than a test has, and far more than a start takes. */
const READY_TIMEOUT_MS = 45_000;

export interface StartNodeOptions {
  /** Keep a folder over several starts by passing it; otherwise a temporary one is made and removed. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A started Holdfast, the built product in its own process, on loopback. */
export interface TestNode extends AsyncDisposable {
  readonly publicUrl: string;
  readonly adminUrl: string;
  readonly dataDir: string;
  readonly pid: number;
  /** How long it took from the start of the process to the ready line. */
  readonly readyAfterMs: number;
  /** What it wrote to stderr so far. */
  stderr(): string;
  /** Sends the signal, waits for the end and gives the exit code (null after a kill). */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export async function startNode(options: StartNodeOptions = {}): Promise<TestNode> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "holdfast-e2e-")));
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [CLI, "serve"], {
    cwd: dataDir,
    env: {
      ...environment(),
      HOLDFAST_DATA_DIR: join(dataDir, "data"),
      HOLDFAST_PUBLIC_LISTEN: "127.0.0.1:0",
      HOLDFAST_ADMIN_LISTEN: "127.0.0.1:0",
      HOLDFAST_NETWORK: "lan",
      HOLDFAST_SWARM_LISTEN: "/ip4/127.0.0.1/tcp/0",
      HOLDFAST_BOOTSTRAP: "none",
      HOLDFAST_RATE_LIMITS: "off",
      HOLDFAST_LOG_LEVEL: "info",
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString("utf8")).slice(-64_000);
  });
  const exited = once(child, "exit").then(() => running.delete(child));
  const [publicUrl, adminUrl] = await readyLine(child, () => stderr);
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> => {
    child.kill(signal);
    await exited;
    return child.exitCode;
  };
  return {
    publicUrl,
    adminUrl,
    dataDir,
    pid: child.pid ?? 0,
    readyAfterMs: performance.now() - startedAtMs,
    stderr: () => stderr,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop("SIGKILL");
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Runs `holdfast …` to its end; gives what it printed. */
export async function runCli(args: readonly string[], options: { readonly cwd: string }): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...args], {
    cwd: options.cwd,
    env: environment(),
  });
  return stdout;
}

export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-e2e-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Resident memory of a process, bytes. */
export async function residentBytesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** The tester's own environment must not configure the node. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HOLDFAST_")));
}

async function readyLine(child: ChildProcess, stderr: () => string): Promise<[string, string]> {
  if (child.stdout === null) throw new Error("no stdout");
  const lines = createInterface({ input: child.stdout });
  const deadline = AbortSignal.timeout(READY_TIMEOUT_MS);
  const ended = new AbortController();
  // Not its exit: what it wrote before may still be on its way to us then.
  child.once("close", () => {
    ended.abort();
  });
  try {
    for (;;) {
      const [line] = (await once(lines, "line", { signal: AbortSignal.any([deadline, ended.signal]) })) as [
        string,
      ];
      const [, publicUrl, adminUrl] = /^holdfast ready public=(\S+) admin=(\S+)$/.exec(line) ?? [];
      if (publicUrl !== undefined && adminUrl !== undefined) return [publicUrl, adminUrl];
    }
  } catch (err) {
    child.kill("SIGKILL");
    throw new Error(`holdfast did not become ready: ${stderr()}`, { cause: err });
  }
}
