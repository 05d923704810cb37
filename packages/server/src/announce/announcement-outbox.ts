import type { IpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";

/** `cid`, `name`: one event each. `page`: of a walk over all pins. `legacy`: the cumulative event of the reference system. */
export type SubjectKind = "cid" | "name" | "page" | "legacy";

/** What has to be announced. */
export interface Subject {
  readonly kind: SubjectKind;
  /** The `d` of its event: one subject has one event on each relay. */
  readonly d: string;
  /** Of a `page`: its CIDs; else the one CID or name, empty for `legacy`. */
  readonly items: readonly string[];
}

/** A subject on its way to the relays. */
export interface OutgoingAnnouncement extends Subject {
  /** Another one each time when the subject is queued: what is said about an earlier one changes nothing. */
  readonly turn: number;
  /** The signed event, as JSON; undefined before it was built. */
  readonly eventJson: string | undefined;
  /** Of the newest event that was ever built for this subject; 0 before the first. */
  readonly createdAtS: number;
  /** Relays that have it, or never take it: nothing more to be done there. */
  readonly settledRelays: readonly string[];
  readonly confirmations: number;
  readonly attempts: number;
}

export interface OutgoingProgress {
  readonly d: string;
  readonly turn: number;
  readonly settledRelays: readonly string[];
  readonly confirmations: number;
  readonly attempts: number;
  /** Undefined: nothing is left to do. */
  readonly nextAttemptAtMs: number | undefined;
}

/**
 * What is noted to be announced when it is pinned or stored here. `own`: pins but those that announcements asked for, and records that
 * clients put; `all`: all pins, and records that peers or announcements brought, too; `none`: nothing.
 */
export type NewsScope = "none" | "own" | "all";

/** One thing that is new here and not yet queued. */
export interface NewsItem {
  /** Grows. */
  readonly id: number;
  /** Undefined when it is pinned no longer: there is nothing to say. */
  readonly news: { readonly root: CID } | { readonly name: IpnsName } | undefined;
}

/** How far the walk over all pins is. */
export interface Walk {
  readonly startedAtMs: number;
  /** Cursor of the pins; undefined before the first page. */
  readonly after: number | undefined;
  readonly pages: number;
  readonly cids: number;
}

/**
 * What has to be announced, durably. Writes settle when they have reached the disk; they throw as every write does.
 */
export interface AnnouncementOutbox {
  /** Queues new events of these subjects; what was queued for them before is replaced. */
  queue(subjects: readonly Subject[], nowMs: number): Promise<void>;
  /** Notes the event that was built, before anybody sees it: its instant is never used again for this subject. */
  saveEvent(event: {
    readonly d: string;
    readonly turn: number;
    readonly eventJson: string;
    readonly createdAtS: number;
  }): Promise<void>;
  settleOutgoing(progress: OutgoingProgress): Promise<void>;

  /** Those whose time has come, longest waiting first. */
  due(nowMs: number, limit: number): readonly OutgoingAnnouncement[];
  /** When the next one is due. */
  nextAttemptAtMs(): number | undefined;
  /** How many are not done. */
  waiting(): number;
  /** Of so many pages that were queued last, those that wait and that no relay has. */
  unheardPages(ofNewest: number): number;
  /** The last ones that were queued, oldest first. */
  newest(kind: "cid" | "name", limit: number): readonly string[];
  /** The names that were ever queued, in the order of their `d`, behind this one; from the first one behind an empty text. */
  names(after: string, limit: number): readonly Subject[];
  /** Forgets CIDs that were done before this instant, except the newest ones. */
  forgetOutgoing(doneBeforeMs: number, keep: number): Promise<void>;

  /** From now on. What was noted before stays. */
  saveNewsScope(scope: NewsScope): Promise<void>;
  /** What was noted first. The store notes it in the transaction that makes it true, so that no crash comes between. */
  news(limit: number): readonly NewsItem[];
  /** Forgets what was noted up to this one. */
  forgetNews(throughId: number): Promise<void>;

  walk(): Walk | undefined;
  /** Undefined: there is none. */
  saveWalk(walk: Walk | undefined): Promise<void>;
}
