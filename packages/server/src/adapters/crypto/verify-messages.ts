import type { KeyType } from "@holdfast/core";

/** One signature to check. */
export interface SignatureCheck {
  readonly type: KeyType;
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly message: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
}

export type ToVerifyThread =
  | { readonly kind: "check"; readonly batch: number; readonly checks: readonly SignatureCheck[] }
  | { readonly kind: "close" };

export interface FromVerifyThread {
  readonly batch: number;
  /** One verdict for each check, in their order. */
  readonly verdicts: readonly boolean[];
}
