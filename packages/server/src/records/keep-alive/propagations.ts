import type { IpnsName, ValidatedRecord } from "@holdfast/core";

/**
 * Why a record is to be put to a target.
 * `new`: a client gave it to us and it has not arrived yet. `retry`: the last put failed. `kept`: it is there, and has to be put
 * again before the target forgets it.
 */
export type Lane = "new" | "retry" | "kept";

export const LANES: readonly Lane[] = ["new", "retry", "kept"];

/** What is known about one name at one target. Instants in ms since the Unix epoch. */
export interface Propagation {
  readonly target: string;
  readonly lane: Lane;
  /** Counts the records of the name; an outcome says which one was put. */
  readonly version: number;
  readonly dueAtMs: number;
  /** When the target forgets the name, as far as we know. Undefined: not before the record's EOL. */
  readonly darkAtMs: number | undefined;
  /** The last confirmed put of any record of the name. */
  readonly confirmedAtMs: number | undefined;
  /** Whether that was the current record. */
  readonly isCurrentConfirmed: boolean;
  /** Puts that failed since the last one that was confirmed. */
  readonly attempts: number;
  readonly problem: string | undefined;
}

/** The current record of a name, read together with what is known about it at one target. */
export interface CurrentPut extends Propagation {
  /** Undefined when it cannot be read (a damaged file): there is nothing to be put. */
  readonly record: ValidatedRecord | undefined;
}

export interface PutOutcome {
  readonly name: IpnsName;
  readonly target: string;
  /** Of the record that was put. When another one is stored by now, the outcome says nothing about it and is forgotten. */
  readonly version: number;
  readonly result:
    | {
        readonly kind: "confirmed";
        readonly atMs: number;
        readonly dueAtMs: number;
        readonly darkAtMs: number | undefined;
      }
    | { readonly kind: "failed"; readonly dueAtMs: number; readonly problem: string }
    /** Past its EOL, or unreadable: nothing to be put. */
    | { readonly kind: "dropped" };
}

/** How many names a target has forgotten or is about to forget, and when the next one goes. */
export interface Darkness {
  /** Counted up to `namesMax`. */
  readonly darkNames: number;
  readonly atRiskNames: number;
  /** When the next of those that it still has is forgotten. */
  readonly nextDarkAtMs: number | undefined;
}

/**
 * For every name and target: what was confirmed there, and when the name's record is due to be put (again). Rows are made in the
 * transaction that stores a record, so nothing accepted is ever forgotten. Reads are synchronous point and range reads of
 * committed state, in microseconds.
 */
export interface Propagations {
  /**
   * From now on each stored record gets a row for each of these targets. Rows of names that are stored already, and those of
   * targets that are no longer configured, are made and deleted by {@link tend}.
   */
  setTargets(labels: readonly string[]): Promise<void>;
  /** Does a small piece of that work. @returns whether there is more. */
  tend(options: { readonly nowMs: number; readonly namesMax: number }): Promise<boolean>;
  /** Settles after the commit. @throws HoldfastError `OVERLOADED`, `STORE_FAILED`, `SHUTTING_DOWN`: nothing was written. */
  settle(outcomes: readonly PutOutcome[]): Promise<void>;

  /** Names that are due, the longest due first. */
  due(
    target: string,
    lane: Lane,
    options: { readonly nowMs: number; readonly limit: number },
  ): readonly IpnsName[];
  /** Of the `kept` ones those that are forgotten after one instant and not after another, the first one first. */
  pressing(
    target: string,
    options: { readonly afterMs: number; readonly untilMs: number; readonly limit: number },
  ): readonly IpnsName[];
  firstDueAtMs(target: string, lane: Lane): number | undefined;
  /** Undefined when there is no row. */
  current(target: string, name: IpnsName): CurrentPut | undefined;
  /** What is known about a name at each target. */
  of(name: IpnsName): readonly Propagation[];
  darkness(
    target: string,
    options: { readonly nowMs: number; readonly riskMs: number; readonly namesMax: number },
  ): Darkness;
  /** How many rows a lane has, counted up to `namesMax`. */
  count(target: string, lane: Lane, namesMax: number): number;
  /** All names that have a record, in the order of their bytes. */
  namesAfter(after: IpnsName | undefined, limit: number): readonly IpnsName[];
}

/** Work that takes long, was started by an operator, and can be looked up. */
export interface Operation<Progress = unknown> {
  readonly id: string;
  readonly kind: string;
  readonly state: "running" | "done" | "cancelled";
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly progress: Progress;
}

export interface OperationStore {
  /** Writes the operation over the one with its id. Old ones that have ended are deleted. */
  saveOperation(operation: Operation): Promise<void>;
  operation(id: string): Operation | undefined;
  /** Those of a kind that still run: a restart goes on with them. */
  runningOperations(kind: string): readonly Operation[];
}
