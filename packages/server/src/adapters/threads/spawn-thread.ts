import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts a worker from a module beside the caller's: TypeScript source when we run from source, the built file otherwise.
 *
 * @param module path without its ending, relative to the caller, e.g. `./store-thread`.
 * @param callerUrl the caller's `import.meta.url`.
 */
export function spawnThread(module: string, callerUrl: string, options: WorkerOptions = {}): Worker {
  const fromSource = callerUrl.endsWith(".ts");
  return new Worker(new URL(`${module}${fromSource ? ".ts" : ".js"}`, callerUrl), {
    // The source condition is not inherited by workers: without it they would load the built core.
    ...(fromSource ? { execArgv: ["--conditions=@holdfast/source"] } : {}),
    ...options,
  });
}
