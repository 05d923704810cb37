import { pinKeyOf } from "../pin-key.ts";
import type { FollowedVersion } from "./follow-store.ts";

/**
 * The versions, newest first, after some more roots were seen, which come oldest first. A root that was seen before moves to the
 * top. `noted`: what has to be noted, in order, to get there.
 */
export function withSeen(
  versions: readonly FollowedVersion[],
  seen: readonly FollowedVersion[],
): { readonly versions: readonly FollowedVersion[]; readonly noted: readonly FollowedVersion[] } {
  let current = versions;
  const noted: FollowedVersion[] = [];
  for (const version of seen) {
    const key = pinKeyOf(version.root);
    const [top] = current;
    if (top !== undefined && pinKeyOf(top.root) === key) continue;
    current = [version, ...current.filter(({ root }) => pinKeyOf(root) !== key)];
    noted.push(version);
  }
  return isSameOrder(versions, current) ? { versions, noted: [] } : { versions: current, noted };
}

/** What is known of the pin of a version. */
export interface VersionState {
  /** It is pinned, and held by our own claim. */
  readonly isConfirmed: boolean;
  /** It was pinned once. */
  readonly wasConfirmed: boolean;
}

export interface ReleasePlan {
  /** Old enough: as many newer ones as are to stay are confirmed. */
  readonly superseded: readonly number[];
  /** Never came, or were lost, and too many of their kind wait already. */
  readonly surplus: readonly number[];
}

/**
 * Which versions go, as indexes of `states`, which are newest first.
 *
 * None of the newest `keep` ever goes (R32), and none before `keep` newer ones are confirmed (R33): while what is new does not
 * come, what is old stays. What nobody ever had goes when more than `waitingMax` of it is out of date.
 */
export function planRelease(
  states: readonly VersionState[],
  { keep, waitingMax }: { readonly keep: number; readonly waitingMax: number },
): ReleasePlan {
  const superseded: number[] = [];
  const waiting: number[] = [];
  let confirmed = 0;
  for (const [index, { isConfirmed }] of states.entries()) {
    if (confirmed >= keep) superseded.push(index);
    else if (isConfirmed) confirmed += 1;
    else if (index >= keep) waiting.push(index);
  }
  // What was here once may come back; what never came goes first.
  const order = [...waiting].toReversed().toSorted((a, b) => rankOf(states[a]) - rankOf(states[b]));
  return { superseded, surplus: order.slice(0, Math.max(0, waiting.length - waitingMax)) };
}

function rankOf(state: VersionState | undefined): number {
  return state?.wasConfirmed === true ? 1 : 0;
}

function isSameOrder(a: readonly FollowedVersion[], b: readonly FollowedVersion[]): boolean {
  return a.length === b.length && a.every(({ root }, i) => keyAt(b, i) === pinKeyOf(root));
}

function keyAt(versions: readonly FollowedVersion[], index: number): string | undefined {
  const version = versions[index];
  return version && pinKeyOf(version.root);
}
