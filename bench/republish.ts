/**
 * Question: how fast are records put again, and does any name go dark, with 26,000 and 1,000,000 names on a network that takes its
 * time and fails? Simulated: the scheduler and the SQLite store are the real ones, the clock and the network are not.
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ipnsNameOfMultihash, type IpnsName } from "@holdfast/core";
import { RECORD_LIFETIME_MS } from "../packages/server/src/records/keep-alive/keep-alive-times.ts";
import { FakeDht } from "../packages/server/test/support/fake-dht.ts";
import { KeepAliveWorld, seededRandom } from "../packages/server/test/support/keep-alive-world.ts";
import { createPublisher } from "../e2e/support/names.ts";
import { useBothCores } from "./support/wrk.ts";

const [HOUR_MS, SECOND_MS] = [3_600_000, 1_000];
const TARGET = "dht";
const NAMES = [26_000, 1_000_000];
const LATENCIES_S = [5, 20, 60];
const FAILURES = [0, 0.1, 0.3];
/** Two rounds of 26,000; for a million the first day is enough to see. */
const SIMULATED_HOURS = new Map([
  [26_000, 48],
  [1_000_000, 24],
]);
/** All names were put within 3 hours, a day and 3 hours ago: all are due, and would go dark within 18 to 21 hours. */
const PUT_BEFORE_MS = { from: 30 * HOUR_MS, until: 27 * HOUR_MS };
const STATUS_EVERY_MS = HOUR_MS / 4;

interface Cell {
  readonly names: number;
  readonly latencyS: number;
  readonly failures: number;
}

interface Result extends Cell {
  readonly putsMax: number;
  readonly recordsPerHour: number;
  /** Until every name had been put. Undefined: not within the simulation. */
  readonly passMs: number | undefined;
  readonly lagMs: number;
  readonly timeToDarkMs: number;
  readonly darkNames: number;
  readonly tookMs: number;
}

export async function republish(): Promise<string> {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "holdfast-republish-"));
  const results: Result[] = [];
  await useBothCores(process.pid);
  try {
    for (const names of NAMES) {
      const template = await makeTemplate(join(folder, `template-${names}`), names);
      for (const latencyS of LATENCIES_S) {
        for (const failures of FAILURES) {
          const cell = { names, latencyS, failures };
          const result = await simulate(cell, template, join(folder, "cell"));
          process.stderr.write(`${JSON.stringify(result)}\n`);
          results.push(result);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return reportOf(results);
}

interface Template {
  readonly databasePath: string;
  readonly names: readonly { readonly name: IpnsName; readonly putAtMs: number }[];
  readonly bytes: Uint8Array;
  readonly nowMs: number;
}

/** A database as a node leaves it that knew so many names. All have the same record: the simulation looks at no signature. */
async function makeTemplate(dataDir: string, count: number): Promise<Template> {
  const nowMs = Date.now();
  const bytes = await createPublisher().record("/ipfs/bafkqaaa", 1n, { eolMs: nowMs + 1_000 * 24 * HOUR_MS });
  const world = new KeepAliveWorld({ dataDir, startMs: nowMs });
  await world.begin([new FakeDht(world, { label: TARGET })]);
  const { databasePath } = world.store;
  // The work for a new target, of which there is none as long as there are no names.
  await world.clock.advance(SECOND_MS);
  await world.end();
  const names = Array.from({ length: count }, (_, i) => {
    const key = Uint8Array.from([0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...randomBytes(32)]);
    const { from, until } = PUT_BEFORE_MS;
    return {
      name: ipnsNameOfMultihash(key),
      putAtMs: nowMs - Math.floor(from - ((from - until) * i) / count),
    };
  });
  using db = new DatabaseSync(databasePath);
  const random = seededRandom(11);
  const record = db.prepare("INSERT INTO records VALUES (?, ?, 'client', ?, ?, 0)");
  const row = db.prepare("INSERT INTO propagations VALUES (?, 1, 0, ?, 2, ?, ?, ?, 0, 0, NULL)");
  db.exec("PRAGMA synchronous = OFF; BEGIN");
  for (const { name, putAtMs } of names) {
    record.run(name.multihash, bytes, putAtMs, putAtMs);
    const dueAtMs = putAtMs + Math.floor((21.6 + 4.8 * random()) * HOUR_MS);
    row.run(name.multihash, nowMs + 1_000 * 24 * HOUR_MS, dueAtMs, putAtMs + RECORD_LIFETIME_MS, putAtMs);
  }
  db.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  return { databasePath, names, bytes, nowMs };
}

async function simulate(cell: Cell, template: Template, dataDir: string): Promise<Result> {
  const startedAtMs = performance.now();
  rmSync(dataDir, { recursive: true, force: true });
  const world = new KeepAliveWorld({ dataDir, startMs: template.nowMs, seed: 5 });
  await world.begin([]);
  const { databasePath } = world.store;
  await world.end();
  copyFileSync(template.databasePath, databasePath);
  const dht = new FakeDht(
    { clock: world.clock, random: seededRandom(17) },
    { label: TARGET, isRecording: false },
  );
  for (const { name, putAtMs } of template.names) dht.hold(name, template.bytes, putAtMs);
  dht.passFromMs = template.nowMs;
  dht.latencyMs = cell.latencyS * SECOND_MS;
  dht.failures = cell.failures;
  await world.begin([dht], { writeDelayMs: 5 * SECOND_MS });
  let [passMs, lagMs, putsMax, recordsPerHour]: (number | undefined)[] = [undefined, 0, 0, 0];
  let timeToDarkMs = Number.POSITIVE_INFINITY;
  let confirmedBefore = 0;
  const endMs = template.nowMs + (SIMULATED_HOURS.get(cell.names) ?? 24) * HOUR_MS;
  while (world.clock.nowMs() < endMs) {
    await world.clock.advance(STATUS_EVERY_MS);
    const status = world.keepAlive.status();
    const [target] = status.targets;
    if (target === undefined) throw new Error("no target");
    lagMs = Math.max(lagMs ?? 0, target.lagMs);
    putsMax = Math.max(putsMax ?? 0, target.putsMax);
    timeToDarkMs = Math.min(timeToDarkMs, target.darkNames > 0 ? 0 : (status.timeToDarkMs ?? timeToDarkMs));
    const { confirmed } = world.metrics.propagation;
    recordsPerHour = Math.max(
      recordsPerHour ?? 0,
      (confirmed - confirmedBefore) * (HOUR_MS / STATUS_EVERY_MS),
    );
    confirmedBefore = confirmed;
    if (passMs === undefined && dht.passNames === cell.names) passMs = dht.passEndedAtMs - template.nowMs;
  }
  const darkNames = dht.forgottenCount + dht.countForgotten();
  await world.end();
  rmSync(dataDir, { recursive: true, force: true });
  const tookMs = performance.now() - startedAtMs;
  return {
    ...cell,
    putsMax: putsMax ?? 0,
    recordsPerHour: recordsPerHour ?? 0,
    passMs,
    lagMs: lagMs ?? 0,
    timeToDarkMs,
    darkNames,
    tookMs,
  };
}

function reportOf(results: readonly Result[]): string {
  const seconds = results.reduce((sum, { tookMs }) => sum + tookMs, 0) / 1000;
  return [
    "## Records put again, simulated",
    "",
    "| names | put takes | fail | puts at once | records/h | one pass | lag at most | time to dark at least | dark | kept alive at this pace |",
    "|---|---|---|---|---|---|---|---|---|---|",
    ...results.map(rowOf),
    "",
    "The scheduler and SQLite are the real ones; the clock and the network are not. A put takes between half and one and a half times the given time, failed or not. At the start every",
    "name is due: all were put within 3 h, the last of them 27 h ago, so the first goes dark in 18 h. Simulated: 48 h with 26,000 names, 24 h with a million.",
    "*records/h*: in the best quarter of an hour. *Kept alive at this pace*: records/h × 21.6 h, the shortest time between two puts of a name; one target. Targets: 26,000 names at 20 s and 10 % failures: one pass in ≤ 3 h, none dark.",
    `The simulation took ${Math.round(seconds / 60)} minutes.`,
  ].join("\n");
}

function rowOf(result: Result): string {
  const { names, latencyS, failures, putsMax, recordsPerHour, passMs, lagMs, timeToDarkMs, darkNames } =
    result;
  const hours = (ms: number): string => `${(ms / HOUR_MS).toFixed(1)} h`;
  const cells = [
    names.toLocaleString("en"),
    `${latencyS} s`,
    `${failures * 100} %`,
    putsMax,
    recordsPerHour.toLocaleString("en"),
    passMs === undefined ? "not in 24 h" : hours(passMs),
    hours(lagMs),
    hours(timeToDarkMs),
    darkNames.toLocaleString("en"),
    Math.floor(recordsPerHour * 21.6).toLocaleString("en"),
  ];
  return `| ${cells.join(" | ")} |`;
}
