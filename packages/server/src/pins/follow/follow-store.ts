import type { IpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";

/** Through which door the wish to follow a name came. */
export type FollowOrigin = "admin" | "setting" | "pin-list" | "nostr";

/** One wish to follow a name. */
export interface Follow {
  readonly origin: FollowOrigin;
  /** How many versions are to stay, the newest included; at least 1. */
  readonly keep: number;
  readonly sinceMs: number;
}

/** A root that the name has pointed to. */
export interface FollowedVersion {
  readonly root: CID;
  /** When the record came that said so, or, behind another name, when it was noticed. */
  readonly seenAtMs: number;
}

export interface FollowedName {
  readonly name: IpnsName;
  /** Empty when nobody follows it any more, and its versions are still to be let go. */
  readonly follows: readonly Follow[];
  /** Newest first, each root once. What is claimed for the name is among them. */
  readonly versions: readonly FollowedVersion[];
}

export type FollowChange =
  /** In place of an earlier wish of this origin. */
  | ({ readonly kind: "follow"; readonly name: IpnsName } & Follow)
  | { readonly kind: "unfollow"; readonly name: IpnsName; readonly origin: FollowOrigin }
  /** Becomes the newest version, also when it is one already. */
  | ({ readonly kind: "note-version"; readonly name: IpnsName } & FollowedVersion)
  | { readonly kind: "forget-version"; readonly name: IpnsName; readonly root: CID };

/**
 * Which names are followed, and what they pointed to, durably. A version is written before its root is claimed and forgotten
 * after the claim was released, so that no claim is ever without its version.
 * Every adapter passes `test/contracts/follow-store.contract.ts`.
 */
export interface FollowStore {
  /**
   * All changes or none, in their order; durable when it settles.
   *
   * @throws HoldfastError `STORE_FAILED`, `OVERLOADED`, `SHUTTING_DOWN`.
   */
  write(changes: readonly FollowChange[]): Promise<void>;
  /** In an order of the names that stays; `after`: only those behind this one. Fewer than `limit` are the last ones. */
  page(options: { readonly after: IpnsName | undefined; readonly limit: number }): readonly FollowedName[];
}
