import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Tests run from source; the condition also reaches worker threads (packages/server/src/adapters/threads).
const conditions = ["@holdfast/source"];
/**
 * Threads of one process share compiled WebAssembly, such as the part of Node that strips types from our sources. When two of them
 * replace its calls into JavaScript by faster ones at once, V8 of Node 24 frees the code twice (a core says so: SIGSEGV in
 * `Runtime_TierUpWasmToJSWrapper`). The product sets the same in `spawn-thread.ts`.
 */
const noWasmWrapperTierUp = "--wasm-wrapper-tiering-budget=2147483647";
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
};

export default defineConfig({
  test: {
    reporters: ["default", "./tools/closing-line-reporter.ts"],
    projects: [
      {
        ...shared,
        test: {
          name: "unit",
          include: ["*.test.ts", "packages/*/{src,test}/**/*.test.ts"],
          // Most files wait for neighbours, disks and clocks more than they compute; by itself vitest leaves a core to others.
          maxWorkers: Math.max(2, availableParallelism()),
          testTimeout: 20_000,
          hookTimeout: 30_000,
          execArgv: ["--conditions=@holdfast/source", noWasmWrapperTierUp],
        },
      },
      {
        ...shared,
        test: {
          name: "e2e",
          include: ["e2e/**/*.test.ts", "conformance/**/*.test.ts"],
          globalSetup: ["./e2e/support/build.ts"],
          // The stories start whole nodes and real neighbours: two at once on two cores only measure each other.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 90_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
