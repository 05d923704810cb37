import type { ApiPinChanges, ApiPinLimits } from "../../../pins/api/api-pin-store.ts";
import type { PinRules } from "../../../pins/pin-row.ts";
import type { AddedPin } from "../../../pins/pin-store.ts";
import type { PinKey } from "./pin-messages.ts";

/** An order as a row; see the table `pin_requests` for the forms. */
export interface ApiPinRow {
  readonly key: PinKey;
  readonly cidVersion: number;
  readonly cid: string;
  readonly name: string | null;
  readonly foldedName: string | null;
  readonly meta: string;
  readonly origins: string;
}

export interface AddApiPinJob {
  readonly kind: "add-api-pin";
  readonly owner: string;
  readonly id: string;
  readonly row: ApiPinRow;
  /** The order that this one takes the place of. */
  readonly replacedId: string | undefined;
  readonly nowMs: number;
  readonly limits: ApiPinLimits;
  readonly rules: PinRules;
}

export interface RemoveApiPinJob {
  readonly kind: "remove-api-pin";
  readonly owner: string;
  readonly id: string;
  readonly nowMs: number;
}

/** Lets go what was kept for orders that are pinned by now. */
export interface ReleaseOutlivedPinsJob {
  readonly kind: "release-outlived-pins";
  readonly nowMs: number;
  readonly limit: number;
}

export type ApiPinJob = AddApiPinJob | RemoveApiPinJob | ReleaseOutlivedPinsJob;

export interface ApiPinAnswer {
  readonly outcome: ApiPinChanges["outcome"];
  /** Of the order's own root. */
  readonly added?: AddedPin;
  readonly released: readonly PinKey[];
}

export interface ApiPinAnswers {
  readonly "add-api-pin": ApiPinAnswer;
  readonly "remove-api-pin": ApiPinAnswer;
  readonly "release-outlived-pins": ApiPinAnswer;
}
