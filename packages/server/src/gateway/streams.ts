import { type Timers } from "../telemetry/clock.ts";
import { WHOLE_BODY_BYTES_MAX } from "./answer.ts";

/** How long a body of unknown length may take to become whole before it is sent as it comes. */
const PATIENCE_MS = 50;

/** One chunk is passed on as it is, without a copy. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return joined(all);
}

/** Reads the first chunk: what fails until then fails before anything is sent. */
export async function begun(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  return resumed(first.done === true ? [] : [first.value], undefined, iterator);
}

/**
 * A body whose length nobody knows: whole when it is small and comes at once, so that it is sent in one piece and a failure
 * still gets its status; otherwise a stream that begins with what has come so far.
 */
export async function wholeOrBegun(
  chunks: AsyncIterable<Uint8Array>,
  timers: Timers,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const iterator = chunks[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  const impatience = Promise.withResolvers<"impatient">();
  const cancel = timers.after(PATIENCE_MS, () => {
    impatience.resolve("impatient");
  });
  try {
    for (let bytes = 0; bytes <= WHOLE_BODY_BYTES_MAX;) {
      const next = iterator.next();
      // The first chunk is always waited for.
      const arrived = bytes === 0 ? await next : await Promise.race([next, impatience.promise]);
      if (arrived === "impatient") {
        // It may fail before anybody reads on.
        next.catch(() => {});
        return resumed(head, next, iterator);
      }
      if (arrived.done === true) return joined(head);
      head.push(arrived.value);
      bytes += arrived.value.byteLength;
    }
    return resumed(head, undefined, iterator);
  } finally {
    cancel();
  }
}

async function* resumed(
  head: readonly Uint8Array[],
  next: Promise<IteratorResult<Uint8Array>> | undefined,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* head;
    const result = await next;
    if (result?.done === true) return;
    if (result !== undefined) yield result.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  } finally {
    // Also when the reader stops before the head was read.
    await iterator.return?.();
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks);
}
