import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface RunningProcess {
  readonly url: string;
  readonly adminUrl: string;
  /** Without a chance to finish anything. */
  kill(): Promise<void>;
}

/** The product itself, as a process on loopback; without a network unless the environment says otherwise. Ends with the test. */
export async function startProcess(
  dataDir: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningProcess> {
  const child: ChildProcess = spawn(process.execPath, ["--conditions=@holdfast/source", MAIN, "serve"], {
    env: {
      ...process.env,
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_PUBLIC_LISTEN: "127.0.0.1:0",
      HOLDFAST_ADMIN_LISTEN: "127.0.0.1:0",
      HOLDFAST_NETWORK: "offline",
      HOLDFAST_RATE_LIMITS: "off",
      HOLDFAST_LOG_LEVEL: "warn",
      ...env,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  onTestFinished(kill);
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url, adminUrl] = /^holdfast ready public=(\S+) admin=(\S+)/.exec(line) ?? [];
    if (url !== undefined && adminUrl !== undefined) return { url, adminUrl, kill };
  }
  throw new Error("the node did not start");
}
