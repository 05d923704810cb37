import type { IncomingMessage } from "node:http";
import { HoldfastError } from "@holdfast/core";

const RETRY_AFTER_S = 2;

/** Bounds the memory of bodies that have to be held as a whole. */
export class ByteBudget {
  readonly #bytesMax: number;
  #taken = 0;

  constructor({ bytesMax }: { readonly bytesMax: number }) {
    this.#bytesMax = bytesMax;
  }

  /** @throws HoldfastError `OVERLOADED` when so much is not left. */
  take(bytes: number): void {
    if (this.#taken + bytes > this.#bytesMax) {
      const details = { retryAfterS: RETRY_AFTER_S };
      throw new HoldfastError("OVERLOADED", "too many bytes are being uploaded at once", { details });
    }
    this.#taken += bytes;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

export interface RawBodyOptions {
  readonly bytesMax: number;
  /** Without a byte for so long the body is given up. */
  readonly stallMsMax: number;
  readonly budget: ByteBudget;
}

/** A whole body. Disposing it gives its part of the budget back. */
export interface RawBody extends Disposable {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a body that is content itself, without any frame. The budget is charged as the body comes: a client that announces
 * much and sends little keeps nobody out.
 *
 * @throws HoldfastError `BODY_TOO_LARGE` and `OVERLOADED`, before a byte is read if the announced length says so already;
 *   `INVALID_ARGUMENT` when it stalls or ends early. The rest stays unread, the listener drains it.
 */
export async function readRawBody(request: IncomingMessage, options: RawBodyOptions): Promise<RawBody> {
  const { bytesMax, budget } = options;
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > bytesMax) throw tooLarge(bytesMax);
  budget.take(announced);
  budget.give(announced);
  const buffer = new GrowingBuffer({ bytesMax, budget, bytesExpected: announced });
  try {
    await collect(request, buffer, options.stallMsMax);
    return buffer;
  } catch (err) {
    buffer[Symbol.dispose]();
    throw err;
  }
}

const FIRST_CAPACITY = 64 * 1024;

/** Grows by doubling, but not past what is expected: joining pieces at the end would need twice the memory. */
class GrowingBuffer implements RawBody {
  readonly #bytesMax: number;
  readonly #bytesExpected: number;
  readonly #budget: ByteBudget;
  #buffer = new Uint8Array();
  #length = 0;

  constructor(options: {
    readonly bytesMax: number;
    readonly bytesExpected: number;
    readonly budget: ByteBudget;
  }) {
    this.#bytesMax = options.bytesMax;
    this.#bytesExpected = options.bytesExpected;
    this.#budget = options.budget;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** @throws HoldfastError `BODY_TOO_LARGE`, `OVERLOADED`. */
  add(chunk: Uint8Array): void {
    const length = this.#length + chunk.byteLength;
    if (length > this.#bytesMax) throw tooLarge(this.#bytesMax);
    if (length > this.#buffer.byteLength) this.#grow(length);
    this.#buffer.set(chunk, this.#length);
    this.#length = length;
  }

  #grow(length: number): void {
    const limit = this.#bytesExpected >= length ? this.#bytesExpected : this.#bytesMax;
    const doubled = Math.max(2 * this.#buffer.byteLength, FIRST_CAPACITY, length);
    const capacity = Math.min(limit, doubled);
    this.#budget.take(capacity - this.#buffer.byteLength);
    const larger = new Uint8Array(capacity);
    larger.set(this.bytes);
    this.#buffer = larger;
  }

  [Symbol.dispose](): void {
    this.#budget.give(this.#buffer.byteLength);
    this.#buffer = new Uint8Array();
    this.#length = 0;
  }
}

async function collect(request: IncomingMessage, buffer: GrowingBuffer, stallMsMax: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  let isOver = false;
  const stallTimer = setTimeout(() => reject(invalid("the upload has stalled")), stallMsMax);
  const onData = (chunk: Buffer): void => {
    if (isOver) return;
    stallTimer.refresh();
    try {
      buffer.add(chunk);
    } catch (err) {
      isOver = true;
      reject(err as Error);
    }
  };
  const onEnd = (): void => resolve(undefined);
  const onClose = (): void => {
    if (!request.complete) reject(invalid("the connection ended before the body did"));
  };
  request.on("data", onData).once("end", onEnd).once("close", onClose).once("error", onClose);
  try {
    await promise;
  } finally {
    clearTimeout(stallTimer);
    request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
    // Without an error listener a reset during the drain would be an uncaught error.
    request.on("error", ignoreReset);
  }
}

function ignoreReset(): void {
  // The answer is decided; whether the rest of the body still arrives changes nothing.
}

function tooLarge(bytesMax: number): HoldfastError {
  return new HoldfastError("BODY_TOO_LARGE", `the body is larger than ${bytesMax} bytes`);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
