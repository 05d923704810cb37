import type { StoredRecord } from "../../records/record-store.ts";
import { recordUpdate } from "../../records/webhooks/record-update.ts";

/**
 * One update in one spelling, ready to be written to a socket. Each form is made once, when it is first wanted, and shared by
 * all who get it: a client costs a system call and no formatting.
 */
export class PushUpdate {
  readonly #json: string;
  readonly #id: string | undefined;
  #frame: Buffer | undefined;
  #event: Buffer | undefined;
  #eventWithId: Buffer | undefined;

  /**
   * @param of.id the change of which it tells; absent: it tells what is held, and says so with `snapshot: true`.
   */
  constructor(spelling: string, stored: StoredRecord, of: { readonly id?: string } = {}) {
    const update = recordUpdate(spelling, stored);
    this.#id = of.id;
    this.#json = JSON.stringify(of.id === undefined ? { ...update, snapshot: true } : update);
  }

  /** A whole WebSocket text frame, head and all. */
  get frame(): Buffer {
    this.#frame ??= textFrame(this.#json);
    return this.#frame;
  }

  /** A server-sent event that leaves the client's last event id as it is. */
  get event(): Buffer {
    this.#event ??= Buffer.from(`event: update\ndata: ${this.#json}\n\n`);
    return this.#event;
  }

  get eventWithId(): Buffer {
    if (this.#id === undefined) return this.event;
    this.#eventWithId ??= Buffer.concat([Buffer.from(`id: ${this.#id}\n`), this.event]);
    return this.#eventWithId;
  }
}

/** A server's frame: final, text, not masked. @see RFC 6455 §5.2 */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  let head: Buffer;
  if (length < 126) head = Buffer.from([0x81, length]);
  else if (length < 65_536) head = Buffer.from([0x81, 126, length >> 8, length & 0xff]);
  else {
    head = Buffer.alloc(10);
    head[0] = 0x81;
    head[1] = 127;
    head.writeUInt32BE(length, 6);
  }
  return Buffer.concat([head, payload]);
}
