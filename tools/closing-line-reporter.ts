import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with the one line that CI reads: `N passed, N failed`, with `, N skipped` when there are any. */
class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      let tests = 0;
      for (const test of module.children.allTests()) {
        tests++;
        const state = test.result().state;
        if (state === "passed" || state === "failed" || state === "skipped") count[state]++;
        else count.failed++;
      }
      // A file that failed to load has no tests, and must not look like a pass.
      if (tests === 0 || module.errors().length > 0) count.failed++;
    }
    const skipped = count.skipped === 0 ? "" : `, ${count.skipped} skipped`;
    process.on("exit", (code) => {
      // A run that broke outside any test must not end in a line that reads like a pass.
      if (code !== 0 && count.failed === 0) count.failed = 1;
      process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped}\n`);
    });
  }
}

export default ClosingLineReporter;
