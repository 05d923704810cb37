import type { PutOutcome } from "../../../records/keep-alive/propagations.ts";

export interface SetPropagationTargetsJob {
  readonly kind: "set-propagation-targets";
  readonly labels: readonly string[];
}

export interface TendPropagationsJob {
  readonly kind: "tend-propagations";
  readonly nowMs: number;
  readonly namesMax: number;
}

export interface SettlePropagationsJob {
  readonly kind: "settle-propagations";
  readonly outcomes: readonly PropagationChange[];
}

/** What one outcome changes in its row, if the row still has that version. */
export interface PropagationChange {
  /** The name's multihash. */
  readonly name: Uint8Array<ArrayBuffer>;
  readonly target: number;
  readonly version: number;
  readonly result: PutOutcome["result"];
}

export interface SaveOperationJob {
  readonly kind: "save-operation";
  readonly id: string;
  readonly operationKind: string;
  readonly state: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  /** JSON. */
  readonly progress: string;
}

export type PropagationJob =
  | SetPropagationTargetsJob
  | TendPropagationsJob
  | SettlePropagationsJob
  | SaveOperationJob;

export interface PropagationAnswers {
  readonly "set-propagation-targets": readonly { readonly id: number; readonly label: string }[];
  /** Whether there is more to do. */
  readonly "tend-propagations": boolean;
  readonly "settle-propagations": null;
  readonly "save-operation": null;
}
