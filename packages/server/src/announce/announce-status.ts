import type { Walk } from "./announcement-outbox.ts";
import type { RelayStatus } from "./relays.ts";

/** How reading and writing announcements goes, for the operator. */
export interface AnnounceStatus {
  /** Our own key; undefined when nothing needs one. */
  readonly pubkey: string | undefined;
  readonly authors: { readonly listed: number; readonly isOpen: boolean; readonly denied: number };
  /** CIDs and names that events asked for, since the database exists. */
  readonly totals: { readonly cids: number; readonly names: number };
  /** Undefined when nothing is announced from here. */
  readonly outgoing: { readonly waiting: number; readonly walk: Walk | undefined } | undefined;
  /** `readFromS`: from this `created_at` on it would be read now. */
  readonly relays: readonly (RelayStatus & { readonly readFromS: number | undefined })[];
}
