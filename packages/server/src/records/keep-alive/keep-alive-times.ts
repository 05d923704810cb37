import type { Lane } from "./propagations.ts";
import type { RecordOrigin } from "../record-store.ts";

const HOUR_MS = 3_600_000;

/** DHT servers forget a record so long after its last put, whatever its EOL. @see https://specs.ipfs.tech/routing/kad-dht/ */
export const RECORD_LIFETIME_MS = 48 * HOUR_MS;

/** How long before that it is put again: a day for a target that is away, or for a pass that takes long. */
export const MARGIN_MS = 24 * HOUR_MS;

/** The margin is drawn anew for each put within ± so much of it, so that names put together do not come back together. */
const MARGIN_JITTER = 0.1;

/** A name that is forgotten within so long is due, whatever the jitter. */
export const PRESSING_MS = MARGIN_MS * (1 - MARGIN_JITTER);

/** Records that we did not put ourselves are put within so long. */
const LEARNED_SPREAD_MS = HOUR_MS;

/** Pauses before the second, third, … attempt; the last one stays. */
const RETRY_PAUSES_MS: readonly number[] = [2_000, 10_000, 60_000, 300_000, 1_800_000];
const RETRY_PAUSE_MS_MAX = HOUR_MS;

export interface PutTimes {
  readonly dueAtMs: number;
  /** Undefined: the record reaches its EOL before the target forgets it. */
  readonly darkAtMs: number | undefined;
}

/**
 * When a record is due that was just stored. A client's is put at once. Of one that others put we have not seen the last put: half a
 * lifetime is taken to be left, so that it has reached its margin. It is put within an hour and not at once, because a record
 * that is pushed to us reaches twenty peers, and names that change every minute shall not cost a put each time.
 *
 * @param facts.fraction in [0, 1), where in the spread.
 */
export function timesWhenStored(facts: {
  readonly origin: RecordOrigin;
  readonly receivedAtMs: number;
  readonly eolMs: number;
  readonly fraction: number;
}): PutTimes & { readonly lane: Lane } {
  const { origin, receivedAtMs, eolMs, fraction } = facts;
  const isOurs = origin === "client";
  return {
    lane: isOurs ? "new" : "kept",
    dueAtMs: receivedAtMs + (isOurs ? 0 : Math.floor(fraction * LEARNED_SPREAD_MS)),
    darkAtMs: beforeEol(receivedAtMs + RECORD_LIFETIME_MS / 2, eolMs),
  };
}

/**
 * When a record is due again after a confirmed put: a margin before the target forgets it, which is a lifetime less a margin later, and
 * never past its EOL (R13): one that expires first is due to be dropped then.
 *
 * @param random in [0, 1)
 */
export function timesAfterConfirmation(confirmedAtMs: number, eolMs: number, random: number): PutTimes {
  const marginMs = MARGIN_MS * (1 - MARGIN_JITTER + 2 * MARGIN_JITTER * random);
  const againAtMs = Math.floor(confirmedAtMs + RECORD_LIFETIME_MS - marginMs);
  return {
    dueAtMs: Math.min(againAtMs, eolMs + 1),
    darkAtMs: beforeEol(confirmedAtMs + RECORD_LIFETIME_MS, eolMs),
  };
}

/** When a record is due again after so many failed attempts, and dropped when it expires before. */
export function dueAfterFailure(
  nowMs: number,
  { attempts, eolMs, random }: { readonly attempts: number; readonly eolMs: number; readonly random: number },
): number {
  const pauseMs = (RETRY_PAUSES_MS[attempts - 1] ?? RETRY_PAUSE_MS_MAX) * (0.75 + 0.5 * random);
  return Math.min(Math.floor(nowMs + pauseMs), eolMs + 1);
}

function beforeEol(atMs: number, eolMs: number): number | undefined {
  return atMs < eolMs ? atMs : undefined;
}
