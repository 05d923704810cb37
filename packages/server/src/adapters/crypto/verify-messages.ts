import type { KeyType, NostrEvent } from "@holdfast/core";

/** One signature to check. */
interface SignatureCheck {
  readonly type: KeyType;
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly message: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** The id and the signature of one event. */
interface EventCheck {
  readonly type: "event";
  readonly event: NostrEvent;
}

export type Check = SignatureCheck | EventCheck;

export type ToVerifyThread =
  | { readonly kind: "check"; readonly batch: number; readonly checks: readonly Check[] }
  | { readonly kind: "close" };

export interface FromVerifyThread {
  readonly batch: number;
  /** One verdict for each check, in their order. */
  readonly verdicts: readonly boolean[];
}
