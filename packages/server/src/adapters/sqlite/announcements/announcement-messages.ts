import type { NewsScope, OutgoingProgress, Subject, Walk } from "../../../announce/announcement-outbox.ts";

/** What the store thread does for announcements, each as one step of a transaction. */
export type AnnouncementStep =
  | {
      readonly step: "settle-event";
      readonly id: Uint8Array<ArrayBuffer>;
      readonly createdAtS: number;
      readonly settledAtS: number;
      readonly cids: number;
      readonly names: number;
    }
  | {
      readonly step: "charge";
      readonly author: string;
      readonly day: number;
      readonly subjects: number;
      readonly bytes: number;
    }
  | {
      readonly step: "save-high-water";
      readonly relay: string;
      readonly scope: string;
      readonly highWaterS: number;
    }
  | {
      readonly step: "forget-events";
      readonly settledBeforeS: number;
      readonly createdBeforeS: number;
      readonly day: number;
    }
  | { readonly step: "queue"; readonly subjects: readonly Subject[]; readonly nowMs: number }
  | {
      readonly step: "save-event";
      readonly d: string;
      readonly turn: number;
      readonly eventJson: string;
      readonly createdAtS: number;
    }
  | { readonly step: "settle-outgoing"; readonly progress: OutgoingProgress }
  | { readonly step: "forget-outgoing"; readonly doneBeforeMs: number; readonly keep: number }
  | { readonly step: "save-news-scope"; readonly scope: NewsScope }
  | { readonly step: "forget-news"; readonly throughId: number }
  | { readonly step: "save-walk"; readonly walk: Walk | undefined };

/** All of its steps happen, or none. */
export interface AnnouncementJob {
  readonly kind: "announcement";
  readonly steps: readonly AnnouncementStep[];
}
