import type { IpnsName } from "@holdfast/core";

/** How far the record of a name is on its way to the networks, and when it has to be put again. */
export interface PropagationStatus {
  readonly targets: readonly PropagationTarget[];
  /** When the record is put again to keep it alive. Absent: not planned. */
  readonly nextRepublishMs?: number | undefined;
}

interface PropagationTarget {
  /** The router's label. */
  readonly target: string;
  /** One word, e.g. `waiting`, `confirmed`, `failed`. */
  readonly state: string;
  readonly attempts: number;
  readonly confirmedAtMs?: number | undefined;
  readonly confirmedPeers?: number | undefined;
  readonly nextAttemptMs?: number | undefined;
}

/** Who can say that. */
export interface PropagationStatusSource {
  /** Undefined for a name that is not propagated. */
  propagationOf(name: IpnsName): PropagationStatus | undefined;
}
