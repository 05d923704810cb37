import type { Follow, FollowOrigin } from "../../../pins/follow/follow-store.ts";
import type { PinKey } from "./pin-messages.ts";

/** What the store thread does for followed names, each as one step of a transaction. `name`: the multihash. */
export type FollowStep = { readonly name: Uint8Array<ArrayBuffer> } & (
  | ({ readonly step: "follow" } & Follow)
  | { readonly step: "unfollow"; readonly origin: FollowOrigin }
  | {
      readonly step: "note-version";
      readonly root: PinKey;
      readonly cidVersion: number;
      readonly seenAtMs: number;
    }
  | { readonly step: "forget-version"; readonly root: PinKey }
);

/** All of its steps happen, or none. */
export interface FollowJob {
  readonly kind: "follow-names";
  readonly steps: readonly FollowStep[];
}
