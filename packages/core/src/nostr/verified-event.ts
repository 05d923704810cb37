import { type EventTemplate, eventInvalid, type NostrEvent } from "./event.ts";

/**
 * Checks an event: that its id is the hash of it, and the BIP-340 signature of its author over the id. What it throws (a full
 * queue, say) reaches the caller of {@link verifyNostrEvent} as it is.
 */
export type CheckEvent = (event: NostrEvent) => boolean | Promise<boolean>;

/** Signs with a key that stays where it is. */
export interface EventSigner {
  /** The author of what it signs. */
  readonly pubkey: string;
  sign(template: EventTemplate): NostrEvent;
}

let mintEvent: (event: NostrEvent) => VerifiedEvent;

/**
 * An event whose id and signature were checked (R25). Only {@link verifyNostrEvent} makes one, from the event as it was
 * checked; a changed copy does not pass the compiler.
 */
export class VerifiedEvent implements NostrEvent {
  readonly #event: NostrEvent;

  static {
    mintEvent = (event) => new VerifiedEvent(event);
  }

  private constructor(event: NostrEvent) {
    this.#event = event;
  }

  get id(): string {
    return this.#event.id;
  }

  get pubkey(): string {
    return this.#event.pubkey;
  }

  get createdAtS(): number {
    return this.#event.createdAtS;
  }

  get kind(): number {
    return this.#event.kind;
  }

  get tags(): readonly (readonly string[])[] {
    return this.#event.tags;
  }

  get content(): string {
    return this.#event.content;
  }

  get sig(): string {
    return this.#event.sig;
  }
}

/**
 * Turns an event as it was read from the wire into one of its author.
 *
 * @throws HoldfastError `EVENT_INVALID`; what `checkEvent` throws.
 */
export async function verifyNostrEvent(event: NostrEvent, checkEvent: CheckEvent): Promise<VerifiedEvent> {
  if (!(await checkEvent(event)))
    throw eventInvalid("SIGNATURE_INVALID", "is not signed by its author, or was changed since");
  return mintEvent(event);
}
