import type { EventSigner } from "@holdfast/core";
import { loadNostr, type NostrKeys } from "../../src/adapters/crypto/nostr-keys.ts";

const keys: NostrKeys = await loadNostr();

/** The key of a number: the same in each run. */
export function authorOf(number: number): EventSigner {
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setUint32(28, number);
  return keys.signer(secret);
}
