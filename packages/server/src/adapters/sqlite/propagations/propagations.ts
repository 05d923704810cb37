import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type IpnsName, ipnsNameOfMultihash, restoreRecord, type ValidatedRecord } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import {
  type CurrentPut,
  type Darkness,
  type Lane,
  LANES,
  type Operation,
  type OperationStore,
  type Propagation,
  type Propagations,
  type PutOutcome,
} from "../../../records/keep-alive/propagations.ts";
import { laneOfNumber, numberOfLane } from "./propagation-rows.ts";
import type { StoreClient } from "../store-client.ts";

const NAMES_KEPT = 2_048;

/** Propagations in the database of an open `SqliteRecordStore`: written by its store thread, read through a connection of its own. */
export class SqlitePropagations implements Propagations, OperationStore, Disposable {
  readonly #client: Pick<StoreClient, "run">;
  readonly #db: DatabaseSync;
  readonly #sql: Record<keyof typeof QUERIES, StatementSync>;
  /** Spelling a name takes ten times as long as reading its row, and those being put are read again and again. */
  readonly #names = new LRUCache<string, IpnsName>({ max: NAMES_KEPT });
  /** Targets that are configured, by label. */
  #targetIds: ReadonlyMap<string, number> = new Map();

  constructor(client: Pick<StoreClient, "run">, databasePath: string) {
    this.#client = client;
    this.#db = new DatabaseSync(databasePath, { readOnly: true });
    const prepared = Object.entries(QUERIES).map(([key, sql]) => [key, this.#db.prepare(sql)]);
    this.#sql = Object.fromEntries(prepared) as Record<keyof typeof QUERIES, StatementSync>;
  }

  async setTargets(labels: readonly string[]): Promise<void> {
    const targets = await this.#client.run({ kind: "set-propagation-targets", labels: [...labels] });
    this.#targetIds = new Map(targets.map(({ id, label }) => [label, id]));
  }

  async tend({ nowMs, namesMax }: { readonly nowMs: number; readonly namesMax: number }): Promise<boolean> {
    return this.#client.run({ kind: "tend-propagations", nowMs, namesMax });
  }

  async settle(outcomes: readonly PutOutcome[]): Promise<void> {
    await this.#client.run({
      kind: "settle-propagations",
      outcomes: outcomes.map(({ name, target, version, result }) => ({
        name: new Uint8Array(name.multihash),
        target: this.#idOf(target),
        version,
        result,
      })),
    });
  }

  due(
    target: string,
    lane: Lane,
    { nowMs, limit }: { readonly nowMs: number; readonly limit: number },
  ): readonly IpnsName[] {
    return this.#namesIn(this.#sql.due.all(this.#idOf(target), numberOfLane(lane), nowMs, limit));
  }

  pressing(
    target: string,
    options: { readonly afterMs: number; readonly untilMs: number; readonly limit: number },
  ): readonly IpnsName[] {
    const { afterMs, untilMs, limit } = options;
    return this.#namesIn(
      this.#sql.pressing.all(this.#idOf(target), numberOfLane("kept"), afterMs, untilMs, limit),
    );
  }

  firstDueAtMs(target: string, lane: Lane): number | undefined {
    return numberIn(this.#sql.firstDue.get(this.#idOf(target), numberOfLane(lane)));
  }

  current(target: string, name: IpnsName): CurrentPut | undefined {
    const row = this.#sql.current.get(name.multihash, this.#idOf(target)) as CurrentRow | undefined;
    return row === undefined ? undefined : { ...propagationOf(row), record: recordOf(row, name) };
  }

  of(name: IpnsName): readonly Propagation[] {
    return (this.#sql.ofName.all(name.multihash) as unknown as PropagationRow[]).map(propagationOf);
  }

  darkness(
    target: string,
    {
      nowMs,
      riskMs,
      namesMax,
    }: { readonly nowMs: number; readonly riskMs: number; readonly namesMax: number },
  ): Darkness {
    const id = this.#idOf(target);
    let [darkNames, atRiskNames] = [0, 0];
    let nextDarkAtMs: number | undefined;
    for (const lane of LANES.map(numberOfLane)) {
      darkNames += numberIn(this.#sql.countDark.get(id, lane, -1, nowMs, namesMax)) ?? 0;
      atRiskNames += numberIn(this.#sql.countDark.get(id, lane, nowMs, nowMs + riskMs, namesMax)) ?? 0;
      const next = numberIn(this.#sql.nextDark.get(id, lane, nowMs));
      if (next !== undefined) nextDarkAtMs = Math.min(next, nextDarkAtMs ?? next);
    }
    return { darkNames, atRiskNames, nextDarkAtMs };
  }

  count(target: string, lane: Lane, namesMax: number): number {
    return numberIn(this.#sql.count.get(this.#idOf(target), numberOfLane(lane), namesMax)) ?? 0;
  }

  namesAfter(after: IpnsName | undefined, limit: number): readonly IpnsName[] {
    return this.#namesIn(this.#sql.namesAfter.all(after?.multihash ?? new Uint8Array(), limit));
  }

  async saveOperation(operation: Operation): Promise<void> {
    const { id, kind, state, startedAtMs, endedAtMs = null, progress } = operation;
    await this.#client.run({
      kind: "save-operation",
      id,
      operationKind: kind,
      state,
      startedAtMs,
      endedAtMs,
      progress: JSON.stringify(progress),
    });
  }

  operation(id: string): Operation | undefined {
    const row = this.#sql.operation.get(id) as OperationRow | undefined;
    return row === undefined ? undefined : operationOf(row);
  }

  runningOperations(kind: string): readonly Operation[] {
    return (this.#sql.running.all(kind) as unknown as OperationRow[]).map(operationOf);
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }

  #namesIn(rows: readonly Record<string, unknown>[]): readonly IpnsName[] {
    return (rows as unknown as { readonly name: Uint8Array }[]).map(({ name: multihash }) => {
      const key = Buffer.from(multihash).toString("latin1");
      const known = this.#names.get(key);
      if (known !== undefined) return known;
      const name = ipnsNameOfMultihash(multihash);
      this.#names.set(key, name);
      return name;
    });
  }

  /** A target that is not configured has no rows: no row has the id -1. */
  #idOf(target: string): number {
    return this.#targetIds.get(target) ?? -1;
  }
}

const COLUMNS = `t.label, p.version, p.lane, p.due_at_ms, p.dark_at_ms, p.confirmed_at_ms, p.confirmed_version, p.attempts, p.problem`;

const QUERIES = {
  due: `SELECT name FROM propagations INDEXED BY propagations_due
    WHERE target = ? AND lane = ? AND due_at_ms <= ? ORDER BY due_at_ms LIMIT ?`,
  pressing: `SELECT name FROM propagations INDEXED BY propagations_dark
    WHERE target = ? AND lane = ? AND dark_at_ms > ? AND dark_at_ms <= ? ORDER BY dark_at_ms LIMIT ?`,
  firstDue: `SELECT min(due_at_ms) AS number FROM propagations INDEXED BY propagations_due WHERE target = ? AND lane = ?`,
  nextDark: `SELECT min(dark_at_ms) AS number FROM propagations INDEXED BY propagations_dark
    WHERE target = ? AND lane = ? AND dark_at_ms > ?`,
  countDark: `SELECT count(*) AS number FROM (
    SELECT 1 FROM propagations INDEXED BY propagations_dark
    WHERE target = ? AND lane = ? AND dark_at_ms > ? AND dark_at_ms <= ? LIMIT ?)`,
  count: `SELECT count(*) AS number FROM (
    SELECT 1 FROM propagations INDEXED BY propagations_due WHERE target = ? AND lane = ? LIMIT ?)`,
  current: `SELECT r.bytes, ${COLUMNS}
    FROM propagations p JOIN propagation_targets t ON t.id = p.target LEFT JOIN records r ON r.name = p.name
    WHERE p.name = ? AND p.target = ?`,
  ofName: `SELECT ${COLUMNS} FROM propagations p JOIN propagation_targets t ON t.id = p.target
    WHERE p.name = ? AND t.is_wanted = 1 ORDER BY t.id`,
  namesAfter: "SELECT name FROM records WHERE name > ? ORDER BY name LIMIT ?",
  operation: "SELECT * FROM operations WHERE id = ?",
  running: "SELECT * FROM operations WHERE kind = ? AND state = 'running'",
} as const;

function propagationOf(row: PropagationRow): Propagation {
  return {
    target: row.label,
    lane: laneOfNumber(row.lane),
    version: row.version,
    dueAtMs: row.due_at_ms,
    darkAtMs: row.dark_at_ms ?? undefined,
    confirmedAtMs: row.confirmed_at_ms ?? undefined,
    isCurrentConfirmed: row.confirmed_version === row.version,
    attempts: row.attempts,
    problem: row.problem ?? undefined,
  };
}

function recordOf({ bytes }: CurrentRow, name: IpnsName): ValidatedRecord | undefined {
  if (bytes === null) return undefined;
  try {
    return restoreRecord(bytes, name);
  } catch {
    // The reader of records logs what it cannot read; here it is enough that there is nothing to be put.
    return undefined;
  }
}

function operationOf(row: OperationRow): Operation {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    startedAtMs: row.started_at_ms,
    endedAtMs: row.ended_at_ms ?? undefined,
    progress: JSON.parse(row.progress) as unknown,
  };
}

function numberIn(row: Record<string, unknown> | undefined): number | undefined {
  const number = row?.["number"];
  return typeof number === "number" ? number : undefined;
}

interface PropagationRow {
  readonly label: string;
  readonly version: number;
  readonly lane: number;
  readonly due_at_ms: number;
  readonly dark_at_ms: number | null;
  readonly confirmed_at_ms: number | null;
  readonly confirmed_version: number | null;
  readonly attempts: number;
  readonly problem: string | null;
}

interface CurrentRow extends PropagationRow {
  readonly bytes: Uint8Array | null;
}

interface OperationRow {
  readonly id: string;
  readonly kind: string;
  readonly state: Operation["state"];
  readonly started_at_ms: number;
  readonly ended_at_ms: number | null;
  readonly progress: string;
}
