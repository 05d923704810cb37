import { hash } from "node:crypto";
import { type EventSigner, HoldfastError, type NostrEvent, serializeForId } from "@holdfast/core";
import { initNostrWasm } from "nostr-wasm";

/** Nostr's keys and signatures: BIP-340 over secp256k1, which OpenSSL does not have. */
export interface NostrKeys {
  /**
   * Whether the id is the hash of the event and the signature is its author's; about 0.3 ms. Never throws.
   *
   * @see https://github.com/nostr-protocol/nips/blob/master/01.md#events-and-signatures
   */
  isSigned(event: NostrEvent): boolean;
  /** @param secretKey 32 bytes. @throws HoldfastError `INVALID_ARGUMENT` when they are no key. */
  signer(secretKey: Uint8Array): EventSigner;
}

type Nostr = Awaited<ReturnType<typeof initNostrWasm>>;

/** Takes about 30 ms. */
export async function loadNostr(): Promise<NostrKeys> {
  const nostr = await initNostrWasm();
  return {
    isSigned(event) {
      if (hash("sha256", serializeForId(event.pubkey, event)) !== event.id) return false;
      try {
        nostr.verifyEvent(libraryEventOf(event));
        return true;
      } catch {
        // It throws for each reason why an event is not signed by its author, a malformed key included.
        return false;
      }
    },
    signer(secretKey) {
      const pubkey = publicKeyOf(nostr, secretKey);
      return {
        pubkey,
        sign(template) {
          const event = libraryEventOf({ ...template, id: "", pubkey, sig: "" });
          nostr.finalizeEvent(event, secretKey);
          return { ...template, id: event.id, pubkey, sig: event.sig };
        },
      };
    },
  };
}

function publicKeyOf(nostr: Nostr, secretKey: Uint8Array): string {
  // The library takes zero and numbers past the order of the group for keys, and then signs nothing.
  const isZero = secretKey.every((byte) => byte === 0);
  if (secretKey.length !== 32 || isZero || Buffer.compare(secretKey, GROUP_ORDER) >= 0)
    throw new HoldfastError("INVALID_ARGUMENT", "not a Nostr private key");
  return Buffer.from(nostr.getPublicKey(secretKey)).toString("hex");
}

const GROUP_ORDER = Buffer.from("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "hex");

function libraryEventOf(event: NostrEvent): Parameters<Nostr["verifyEvent"]>[0] {
  const { id, pubkey, createdAtS, kind, tags, content, sig } = event;
  return { id, pubkey, created_at: createdAtS, kind, tags: tags.map((tag) => [...tag]), content, sig };
}
