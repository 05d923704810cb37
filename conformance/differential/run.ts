/**
 * Asks a real Kubo and the built node the same random questions and prints in what their answers differ:
 * `node --conditions=@holdfast/source conformance/differential/run.ts [count] [seed]`
 */
import { KNOWN_DIFFERENCES } from "./known-differences.ts";
import { type Finding, kindOf, runRequests, shrink } from "./run-requests.ts";
import { curlOf } from "./send.ts";
import { type Session, startSession } from "./session.ts";

const [count = 1000, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number);
const SHOWN_PER_KIND = 4;
const SHOWN_CHARACTERS = 300;

await using session = await startSession();
const { findings, statuses, requestCount } = await runRequests(session, { count, seed });
const unexplained = findings.filter(({ known }) => known === undefined);
print(
  `${requestCount} requests with seed ${seed}; Kubo's statuses: ${[...statuses].map(([status, times]) => `${status}×${times}`).join(" ")}`,
);
for (const [name, same] of grouped(findings, ({ known }) => known?.name))
  print(`${String(same.length).padStart(6)} known: ${name}`);
for (const [kind, same] of grouped(unexplained, ({ difference }) => kindOf(difference)))
  await explain(session, kind, same);
const seen = new Set(findings.map(({ known }) => known?.name));
const unseen = KNOWN_DIFFERENCES.filter(({ name }) => !seen.has(name));
if (unseen.length > 0) print(`not met in this run: ${unseen.map(({ name }) => name).join("; ")}`);
print(unexplained.length === 0 ? "nothing unexplained" : `${unexplained.length} unexplained differences`);
process.exitCode = unexplained.length === 0 ? 0 : 1;

async function explain(on: Session, kind: string, same: readonly Finding[]): Promise<void> {
  print(`\n== ${kind}: ${same.length}`);
  const shown = new Set<string>();
  for (const finding of same) {
    if (shown.size >= SHOWN_PER_KIND) return;
    const { kubo, ours } = finding.difference;
    const pair = `${cut(kubo).replaceAll(/[Qb][a-z0-9A-Z]{40,}/g, "CID")} | ${cut(ours).replaceAll(/[Qb][a-z0-9A-Z]{40,}/g, "CID")}`;
    if (shown.has(pair)) continue;
    shown.add(pair);
    const request = await shrink(on, finding);
    print(`${curlOf(on.kubo.url, request)}\n${curlOf(on.ours.url, request)}`);
    print(`  Kubo: ${cut(kubo)}\n  ours: ${cut(ours)}`);
  }
}

function grouped<T>(all: readonly T[], keyOf: (one: T) => string | undefined): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].toSorted(([, a], [, b]) => b.length - a.length);
}

function cut(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}… (${text.length})`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
