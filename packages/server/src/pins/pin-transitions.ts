import type { PinClaim, PinSource } from "./pin.ts";
import type { PinLane, PinOutcome, PinRow, PinRules, PinWish } from "./pin-row.ts";
import { VAULT_REPOSITORY } from "./pinner.ts";

/** Sources whose content came with the request: their pins only need the backend, never the network. */
export const WRITE_SOURCES: readonly PinSource[] = ["add", "dag-put", "dag-import", "block-put", "sidecar"];
/** Sources of wishes, in the order in which one takes a pin into its own lane from another. */
export const WISH_SOURCES: readonly PinSource[] = ["pin-add", "pins-api", "follow", "pin-list", "nostr"];
export const PIN_SOURCES: readonly PinSource[] = [...WRITE_SOURCES, ...WISH_SOURCES];

/** How the problem of a pin begins that the backend had and has no more. */
export const LOST = "lost: ";

/**
 * The pin after one more wish for it. Never loses anything: the first claim stays the first, a recursive pin stays recursive,
 * and a state is left only for the sake of more than it promises.
 */
export function admitPin(
  before: PinRow | undefined,
  wish: PinWish,
  { isNewClaim, ...rules }: PinRules & { readonly isNewClaim: boolean },
): PinRow {
  if (before === undefined) return freshPin(wish, rules);
  if (before.state === "released") {
    const { cidVersion, madeIn } = before;
    const fresh = freshPin(wish, rules);
    return { ...fresh, cidVersion, madeIn: fresh.madeIn ?? madeIn };
  }
  // One block of a recursive pin is a part of it: what lies below may be nowhere near.
  const isAllHere = wish.isStored && (wish.recursive || !before.recursive);
  const isPart = wish.isStored && !isAllHere;
  const merged: PinRow = {
    ...before,
    recursive: before.recursive || wish.recursive,
    name: nameOf(before, wish.claim),
    priority: Math.max(before.priority, wish.priority ?? 0),
    lane: isPart ? before.lane : laneOf(before, wish),
    blockBytes: before.blockBytes ?? wish.blockBytes,
  };
  if (!isReopenedBy(before, wish, { isNewClaim, isAllHere }))
    return isPart ? triedAgain(merged, wish.claim.createdAtMs) : merged;
  const entry = entryOf({ ...wish, isStored: isAllHere }, rules);
  const { pinnedAtMs = before.pinnedAtMs, madeIn = before.madeIn } = entry;
  return { ...merged, ...entry, pinnedAtMs, madeIn };
}

/** Undefined when the outcome is out of date: the pin has gone on, or changed, since the attempt began. */
export function settlePin(row: PinRow, outcome: PinOutcome): PinRow | "gone" | undefined {
  switch (outcome.kind) {
    case "pinned":
      return row.step === "pin" && (outcome.recursive || !row.recursive)
        ? pinnedRow(row, outcome)
        : undefined;
    case "made":
      return { ...row, madeIn: outcome.repositoryId };
    case "provided":
      return row.step === "provide"
        ? { ...done(row), state: "provided", providedAtMs: outcome.atMs }
        : undefined;
    case "not-provided":
      return row.step === "provide" ? { ...done(row), problem: outcome.problem } : undefined;
    case "unpinned":
      return row.step === "unpin" ? "gone" : undefined;
    case "failed": {
      const { attempts, nextAttemptAtMs } = outcome;
      if (row.step !== outcome.step) return undefined;
      const failed = outcome.step === "pin" ? withoutPin(row) : row;
      return { ...failed, attempts, nextAttemptAtMs, problem: problemOf(row, outcome), isResting: true };
    }
    case "dead": {
      const { attempts } = outcome;
      if (row.step !== "pin") return undefined;
      return { ...done(withoutPin(row)), state: "dead", attempts, problem: problemOf(row, outcome) };
    }
    case "lost":
      return lostRow(row, outcome);
    case "retried":
      return retriedRow(row, outcome.atMs);
  }
}

/**
 * The pin without one of its claims.
 *
 * @param left `first`: the oldest that is left; `isLaneClaimed`: one of those in whose lane the pin waits is left, too.
 */
export function releasePin(
  row: PinRow,
  { first, isLaneClaimed }: { readonly first: PinClaim | undefined; readonly isLaneClaimed: boolean },
  atMs: number,
): PinRow {
  if (first === undefined) return { ...ready(row, atMs), state: "released", step: "unpin" };
  const { source, holder, name, createdAtMs } = first;
  return { ...row, source, holder, name, createdAtMs, lane: isLaneClaimed ? row.lane : ownLaneOf(first) };
}

function freshPin(wish: PinWish, rules: PinRules): PinRow {
  const { source, holder, name, createdAtMs } = wish.claim;
  return {
    cidVersion: wish.cidVersion,
    recursive: wish.recursive,
    ...entryOf(wish, rules),
    priority: wish.priority ?? 0,
    lane: ownLaneOf(wish.claim),
    source,
    holder,
    name,
    createdAtMs,
    providedAtMs: undefined,
    blockBytes: wish.blockBytes,
  };
}

/** How far a wish brings a pin by itself. */
function entryOf(wish: PinWish, rules: PinRules) {
  const atMs = wish.claim.createdAtMs;
  const isPinned = wish.isStored && rules.storedIsPinned;
  const step = isPinned ? (rules.provides ? "provide" : undefined) : "pin";
  return {
    state: isPinned ? "pinned" : wish.isStored ? "stored" : "queued",
    step,
    isResting: false,
    nextAttemptAtMs: atMs,
    attempts: 0,
    problem: undefined,
    storedAtMs: wish.isStored ? atMs : undefined,
    pinnedAtMs: isPinned ? atMs : undefined,
    madeIn: isPinned ? VAULT_REPOSITORY : undefined,
  } as const;
}

function isReopenedBy(
  before: PinRow,
  wish: PinWish,
  { isNewClaim, isAllHere }: { readonly isNewClaim: boolean; readonly isAllHere: boolean },
): boolean {
  if (wish.recursive && !before.recursive) return true;
  switch (before.state) {
    case "queued":
      return isAllHere;
    case "stored":
      // The same content again: a moment at which the backend may have it again, too.
      return isAllHere && before.isResting;
    case "dead":
      // A relay that repeats an event is not somebody who asks again.
      return wish.isStored || isNewClaim;
    case "pinned":
    case "provided":
    case "released":
      return false;
  }
}

/** With a block that was perhaps the one that was missing: why it had failed stays visible until that is known. */
function triedAgain(row: PinRow, atMs: number): PinRow {
  const isWaiting = row.state === "queued" && row.isResting;
  return isWaiting ? { ...row, isResting: false, nextAttemptAtMs: atMs, attempts: 0 } : row;
}

function nameOf(before: PinRow, claim: PinClaim): string | undefined {
  const isFirst = claim.source === before.source && claim.holder === before.holder;
  return isFirst ? (claim.name ?? before.name) : (before.name ?? claim.name);
}

/** A pin that waits among thousands of an author's must not keep waiting there when a user asks for it. */
function laneOf({ lane, recursive }: PinRow, { claim, ...wish }: PinWish): PinLane {
  // What was written here was one block: the rest is to be found, within the limits of wishes.
  const isFound = wish.recursive && !recursive && !wish.isStored;
  if (isFound && WRITE_SOURCES.includes(lane.source)) return ownLaneOf(claim);
  return PIN_SOURCES.indexOf(claim.source) < PIN_SOURCES.indexOf(lane.source) ? ownLaneOf(claim) : lane;
}

/** What stands behind a space tells apart the claims of one holder, who takes turns with others only once. */
export function ownLaneOf({ source, holder }: Pick<PinClaim, "source" | "holder">): PinLane {
  const [who = ""] = holder.split(" ", 1);
  return { source, holder: who };
}

function pinnedRow(
  row: PinRow,
  { atMs, provides }: { readonly atMs: number; readonly provides: boolean },
): PinRow {
  return { ...ready(row, atMs), state: "pinned", pinnedAtMs: atMs, step: provides ? "provide" : undefined };
}

function lostRow(row: PinRow, outcome: Extract<PinOutcome, { readonly kind: "lost" }>): PinRow | undefined {
  if (row.state !== "pinned" && row.state !== "provided") return undefined;
  // Pinned again while the list was on its way: it could not be in it.
  if (row.pinnedAtMs !== undefined && row.pinnedAtMs >= outcome.listedAtMs) return undefined;
  const { state, problem, listedAtMs } = outcome;
  const storedAtMs = state === "stored" ? (row.storedAtMs ?? listedAtMs) : undefined;
  // One that turns up later was made by somebody else.
  return { ...ready(row, listedAtMs), state, step: "pin", problem, storedAtMs, madeIn: undefined };
}

/** After a failed attempt: a pin that the backend gets while this one rests is somebody else's, unless it had ours all the time. */
function withoutPin(row: PinRow): PinRow {
  return row.pinnedAtMs === undefined ? { ...row, madeIn: undefined } : row;
}

/** That a pin was lost stays visible until it is repaired, whatever its repair fails with. */
function problemOf(row: PinRow, { problem }: { readonly problem: string }): string {
  return row.problem?.startsWith(LOST) === true ? `${LOST}${problem}` : problem;
}

function retriedRow(row: PinRow, atMs: number): PinRow | undefined {
  if (row.state === "dead") {
    const state = row.storedAtMs === undefined ? "queued" : "stored";
    return { ...ready(row, atMs), state, step: "pin" };
  }
  return row.step !== undefined && row.isResting
    ? { ...row, isResting: false, nextAttemptAtMs: atMs }
    : undefined;
}

function ready(row: PinRow, atMs: number): PinRow {
  return { ...row, isResting: false, nextAttemptAtMs: atMs, attempts: 0, problem: undefined };
}

function done(row: PinRow): PinRow {
  return { ...row, step: undefined, isResting: false, attempts: 0, problem: undefined };
}
