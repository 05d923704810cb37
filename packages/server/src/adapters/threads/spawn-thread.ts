import { setFlagsFromString } from "node:v8";
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Threads share compiled WebAssembly of the same bytes. When two replace its calls into JavaScript by faster ones at the same
 * time, V8 of Node 24 frees code that the other one uses, and the process dies (SIGSEGV in `Runtime_TierUpWasmToJSWrapper`,
 * seen in tests, where each thread strips types). So no call is ever replaced; ours are few. Before the first thread starts.
 */
setFlagsFromString("--wasm-wrapper-tiering-budget=2147483647");

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
