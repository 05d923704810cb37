import { CID } from "multiformats/cid";
import { decode } from "multiformats/hashes/digest";
import type { PinSource } from "../../../pins/pin.ts";
import type { PinRow, PinStep, QueuedPin } from "../../../pins/pin-row.ts";
import type { PinKey } from "./pin-messages.ts";

/** A row of `pins` as SQLite gives it. */
export interface PinColumns {
  readonly id: number;
  readonly multihash: Uint8Array;
  readonly codec: number;
  readonly cid_version: number;
  readonly is_recursive: number;
  readonly state: PinRow["state"];
  readonly step: PinStep | null;
  readonly is_resting: number;
  readonly next_attempt_at_ms: number;
  readonly attempts: number;
  readonly problem: string | null;
  readonly priority: number;
  readonly lane_source: PinSource;
  readonly lane_holder: string;
  readonly source: PinSource;
  readonly holder: string;
  readonly name: string | null;
  readonly created_at_ms: number;
  readonly stored_at_ms: number | null;
  readonly pinned_at_ms: number | null;
  readonly provided_at_ms: number | null;
  readonly block_bytes: number | null;
  readonly counted_bytes: number;
  readonly made_in: string | null;
}

/** The columns that {@link valuesOf} gives values for, in its order. */
export const CHANGING_COLUMNS: readonly (keyof PinColumns)[] = [
  "cid_version",
  "is_recursive",
  "state",
  "step",
  "is_resting",
  "next_attempt_at_ms",
  "attempts",
  "problem",
  "priority",
  "lane_source",
  "lane_holder",
  "source",
  "holder",
  "name",
  "created_at_ms",
  "stored_at_ms",
  "pinned_at_ms",
  "provided_at_ms",
  "block_bytes",
  "made_in",
];

/** What the queue needs of a pin. */
export const QUEUED_COLUMNS = [
  "multihash",
  "codec",
  "cid_version",
  "is_recursive",
  "step",
  "attempts",
  "lane_source",
  "lane_holder",
  "source",
  "name",
  "made_in",
] as const satisfies readonly (keyof PinColumns)[];

export type QueuedColumns = Pick<PinColumns, (typeof QUEUED_COLUMNS)[number]>;

/** Undefined when nothing is to be done. */
export function queuedPinOf(columns: QueuedColumns): QueuedPin | undefined {
  if (columns.step === null) return undefined;
  return {
    root: cidOf(columns),
    recursive: columns.is_recursive === 1,
    step: columns.step,
    lane: { source: columns.lane_source, holder: columns.lane_holder },
    attempts: columns.attempts,
    source: columns.source,
    name: columns.name ?? undefined,
    madeIn: columns.made_in ?? undefined,
  };
}

export function valuesOf(row: PinRow): readonly (number | string | null)[] {
  return [
    row.cidVersion,
    row.recursive ? 1 : 0,
    row.state,
    row.step ?? null,
    row.isResting ? 1 : 0,
    row.nextAttemptAtMs,
    row.attempts,
    row.problem ?? null,
    row.priority,
    row.lane.source,
    row.lane.holder,
    row.source,
    row.holder,
    row.name ?? null,
    row.createdAtMs,
    row.storedAtMs ?? null,
    row.pinnedAtMs ?? null,
    row.providedAtMs ?? null,
    row.blockBytes ?? null,
    row.madeIn ?? null,
  ];
}

export function rowOf(columns: PinColumns): PinRow {
  return {
    cidVersion: columns.cid_version,
    recursive: columns.is_recursive === 1,
    state: columns.state,
    step: columns.step ?? undefined,
    isResting: columns.is_resting === 1,
    nextAttemptAtMs: columns.next_attempt_at_ms,
    attempts: columns.attempts,
    problem: columns.problem ?? undefined,
    priority: columns.priority,
    lane: { source: columns.lane_source, holder: columns.lane_holder },
    source: columns.source,
    holder: columns.holder,
    name: columns.name ?? undefined,
    createdAtMs: columns.created_at_ms,
    storedAtMs: columns.stored_at_ms ?? undefined,
    pinnedAtMs: columns.pinned_at_ms ?? undefined,
    providedAtMs: columns.provided_at_ms ?? undefined,
    blockBytes: columns.block_bytes ?? undefined,
    madeIn: columns.made_in ?? undefined,
  };
}

/** To be posted, so it is a copy: a view would clone the whole buffer behind it. */
export function keyOf({ multihash, code }: CID): PinKey {
  return { multihash: new Uint8Array(multihash.bytes), codec: code };
}

export function cidOf({
  cid_version,
  codec,
  multihash,
}: Pick<PinColumns, "cid_version" | "codec" | "multihash">): CID {
  return CID.create(cid_version === 0 ? 0 : 1, codec, decode(multihash));
}
