import type { CID } from "multiformats/cid";
import type { IpnsName } from "@holdfast/core";
import type {
  Follow,
  FollowChange,
  FollowedName,
  FollowedVersion,
  FollowStore,
} from "../../pins/follow/follow-store.ts";
import { pinKeyOf } from "../../pins/pin-key.ts";

interface Entry {
  readonly name: IpnsName;
  follows: readonly Follow[];
  versions: readonly FollowedVersion[];
}

/** Followed names that live as long as the process. For tests and for nodes that keep nothing. */
export class MemoryFollowStore implements FollowStore {
  readonly #entries = new Map<string, Entry>();

  // Settles later, as in any store: callers must not rely on the same turn.
  async write(changes: readonly FollowChange[]): Promise<void> {
    for (const change of changes) this.#apply(change);
  }

  page({ after, limit }: Parameters<FollowStore["page"]>[0]): readonly FollowedName[] {
    const texts = [...this.#entries.keys()]
      .filter((text) => after === undefined || text > after.text)
      .toSorted();
    return texts.slice(0, limit).flatMap((text) => {
      const entry = this.#entries.get(text);
      return entry === undefined ? [] : [{ ...entry }];
    });
  }

  #apply(change: FollowChange): void {
    const { name } = change;
    const entry = this.#entries.get(name.text) ?? { name, follows: [], versions: [] };
    this.#entries.set(name.text, entry);
    switch (change.kind) {
      case "follow": {
        const { origin, keep, sinceMs } = change;
        const others = entry.follows.filter((follow) => follow.origin !== origin);
        entry.follows = [...others, { origin, keep, sinceMs }].toSorted((a, b) =>
          a.origin < b.origin ? -1 : 1,
        );
        break;
      }
      case "unfollow":
        entry.follows = entry.follows.filter((follow) => follow.origin !== change.origin);
        break;
      case "note-version":
        entry.versions = [
          { root: change.root, seenAtMs: change.seenAtMs },
          ...versionsWithout(entry, change.root),
        ];
        break;
      case "forget-version":
        entry.versions = versionsWithout(entry, change.root);
        break;
    }
    if (entry.follows.length === 0 && entry.versions.length === 0) this.#entries.delete(name.text);
  }
}

function versionsWithout({ versions }: Entry, root: CID): readonly FollowedVersion[] {
  const key = pinKeyOf(root);
  return versions.filter((version) => pinKeyOf(version.root) !== key);
}
