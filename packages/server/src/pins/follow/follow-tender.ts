import type { IpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Clock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { FollowedVersion, FollowStore } from "./follow-store.ts";
import { planRelease, type VersionState, withSeen } from "./follow-versions.ts";
import type { FollowedRecords } from "./followed-records.ts";
import type { PinClaim } from "../pin.ts";
import type { Pins } from "../pins.ts";

export interface FollowTenderParts {
  readonly store: FollowStore;
  readonly records: Pick<FollowedRecords, "look">;
  readonly pins: Pick<Pins, "add" | "release" | "get" | "claim" | "isPinned">;
  /**
   * Whether the repository has this pin, asked now: what is told here may be out of date, and what is released is gone. Default: what
   * the room of pins knows.
   */
  readonly isInRepository?: (root: CID, options: { readonly signal: AbortSignal }) => Promise<boolean>;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "follow">;
}

/** A followed name as it is worked on. Whoever tends it is the only one who changes it. */
export interface TendedName {
  readonly name: IpnsName;
  /** How many versions are to stay; 0: the name is not followed any more. */
  readonly keep: number;
  versions: readonly FollowedVersion[];
  via: readonly IpnsName[];
  problem: string | undefined;
}

/**
 * Brings the claims for one name to where they should be: what it points to is claimed, what is older than the versions to be kept
 * is released. Can end anywhere, also with the process, and be begun again.
 */
export class FollowTender {
  readonly #parts: FollowTenderParts;
  readonly #waitingMax: number;

  constructor(parts: FollowTenderParts, options: { readonly waitingMax: number }) {
    this.#parts = parts;
    this.#waitingMax = options.waitingMax;
  }

  /** @throws HoldfastError what the stores throw: nothing is lost by it. */
  async tend(followed: TendedName, signal: AbortSignal): Promise<void> {
    if (followed.keep === 0) return this.#letGo(followed);
    await this.#look(followed, signal);
    await this.#claim(followed);
    await this.#release(followed, signal);
  }

  async #look(followed: TendedName, signal: AbortSignal): Promise<void> {
    const { records, store, metrics } = this.#parts;
    const { name, versions } = followed;
    const { roots, via, problem } = await records.look(name, { after: versions[0], signal });
    followed.via = via;
    followed.problem = problem;
    const seen = withSeen(versions, roots);
    if (seen.noted.length === 0) return;
    await store.write(seen.noted.map((version) => ({ kind: "note-version", name, ...version })));
    metrics.follow.versions += seen.noted.length;
    followed.versions = seen.versions;
  }

  /** What is to stay has a claim. What is about to go gets none again: a crash may have come between the two. */
  async #claim(followed: TendedName): Promise<void> {
    const { pins, clock } = this.#parts;
    const { name, versions } = followed;
    const goes = await this.#planFor(followed);
    const leaves = new Set([...goes.superseded, ...goes.surplus]);
    const unclaimed = versions.filter(
      ({ root }, index) => !leaves.has(index) && !this.#isClaimed(root, name),
    );
    if (unclaimed.length === 0) return;
    const claim = { ...claimOf(name), name: undefined, createdAtMs: clock.nowMs() };
    await pins.add(unclaimed.map(({ root }) => ({ root, recursive: true, claim, isStored: false })));
  }

  async #release(followed: TendedName, signal: AbortSignal): Promise<void> {
    const { superseded, surplus } = await this.#planFor(followed);
    const versionsAt = (indexes: readonly number[]): readonly FollowedVersion[] =>
      indexes.flatMap((index) => followed.versions[index] ?? []);
    const old = versionsAt(superseded);
    const hopeless = versionsAt(surplus);
    if (old.length > 0 && (await this.#areStaying(followed, signal))) await this.#releaseAll(followed, old);
    await this.#releaseAll(followed, hopeless);
  }

  /** Asks the repository for those whose being there is the reason to let others go. What it cannot say, it has not said (R33). */
  async #areStaying(followed: TendedName, signal: AbortSignal): Promise<boolean> {
    const { isInRepository } = this.#parts;
    if (isInRepository === undefined) return true;
    const states = await this.#statesOf(followed);
    const staying = followed.versions
      .filter((_, index) => states[index]?.isConfirmed)
      .slice(0, followed.keep);
    for (const { root } of staying) {
      if (await isInRepository(root, { signal })) continue;
      followed.problem =
        "the backend does not have a version that counts as pinned: nothing older is released";
      return false;
    }
    return true;
  }

  async #releaseAll(followed: TendedName, versions: readonly FollowedVersion[]): Promise<void> {
    const { pins, store, metrics } = this.#parts;
    const { name } = followed;
    for (const version of versions) {
      const { root } = version;
      if (await pins.release(root, claimOf(name))) metrics.follow.released++;
      await store.write([{ kind: "forget-version", name, root }]);
      followed.versions = followed.versions.filter((one) => one !== version);
    }
  }

  async #letGo(followed: TendedName): Promise<void> {
    followed.via = [];
    followed.problem = undefined;
    await this.#releaseAll(followed, followed.versions);
  }

  async #planFor(followed: TendedName): Promise<ReturnType<typeof planRelease>> {
    const states = await this.#statesOf(followed);
    return planRelease(states, { keep: followed.keep, waitingMax: this.#waitingMax });
  }

  async #statesOf({ name, versions }: TendedName): Promise<readonly VersionState[]> {
    const { pins } = this.#parts;
    return Promise.all(
      versions.map(async ({ root }) => {
        const isConfirmed = this.#isClaimed(root, name) && (await pins.isPinned(root));
        return { isConfirmed, wasConfirmed: pins.get(root)?.pinnedAtMs !== undefined };
      }),
    );
  }

  #isClaimed(root: CID, name: IpnsName): boolean {
    return this.#parts.pins.claim(root, claimOf(name)) !== undefined;
  }
}

function claimOf(name: IpnsName): Pick<PinClaim, "source" | "holder"> {
  return { source: "follow", holder: name.text };
}
