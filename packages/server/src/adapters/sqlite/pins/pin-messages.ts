import type { PinClaim } from "../../../pins/pin.ts";
import type { PinOutcome, PinRules, PinWish } from "../../../pins/pin-row.ts";
import type { AddedPin } from "../../../pins/pin-store.ts";

/** Of one pin; equal for both versions of a CID. */
export interface PinKey {
  readonly multihash: Uint8Array<ArrayBuffer>;
  readonly codec: number;
}

export interface AddPinsJob {
  readonly kind: "add-pins";
  readonly pins: readonly { readonly key: PinKey; readonly wish: PinWish }[];
  readonly rules: PinRules;
}

export interface ReleasePinJob {
  readonly kind: "release-pin";
  readonly key: PinKey;
  readonly claim: Pick<PinClaim, "source" | "holder">;
  readonly atMs: number;
}

export interface SettlePinsJob {
  readonly kind: "settle-pins";
  readonly outcomes: readonly { readonly key: PinKey; readonly outcome: PinOutcome }[];
}

interface WakePinsJob {
  readonly kind: "wake-pins";
  readonly nowMs: number;
  readonly limit: number;
}

interface SetPinRepositoryJob {
  readonly kind: "set-pin-repository";
  readonly id: string;
}

export type PinJob = AddPinsJob | ReleasePinJob | SettlePinsJob | WakePinsJob | SetPinRepositoryJob;

export interface PinAnswers {
  readonly "add-pins": readonly AddedPin[];
  readonly "release-pin": boolean;
  readonly "settle-pins": readonly boolean[];
  readonly "wake-pins": null;
  readonly "set-pin-repository": null;
}
