export interface LeafCounts {
  readonly passed: number;
  /** Names of failed assertions. */
  readonly failed: readonly string[];
}

/** Counts the tests without subtests in the output of `go tool test2json`, one JSON object a line. */
export function countLeaves(test2json: string): LeafCounts {
  const outcomes = new Map<string, string>();
  for (const line of test2json.split("\n")) {
    if (!line.startsWith("{")) continue;
    const { Action, Test } = JSON.parse(line) as { Action: string; Test?: string };
    if (Test !== undefined && (Action === "pass" || Action === "fail")) outcomes.set(Test, Action);
  }
  const parents = new Set<string>();
  for (const test of outcomes.keys()) {
    const slash = test.lastIndexOf("/");
    if (slash > 0) parents.add(test.slice(0, slash));
  }
  const leaves = [...outcomes].filter(([test]) => !parents.has(test));
  return {
    passed: leaves.filter(([, outcome]) => outcome === "pass").length,
    failed: leaves.filter(([, outcome]) => outcome === "fail").map(([test]) => test),
  };
}
