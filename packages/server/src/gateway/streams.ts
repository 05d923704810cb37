import { WHOLE_BODY_BYTES_MAX } from "./answer.ts";
import type { Retrieval } from "./retrieval.ts";

/** How long a small body may take to become whole before it is sent as it comes. What is held here is read within that. */
const PATIENCE_MS = 3;

/** What a body is read with. */
export type BodyRetrieval = Pick<Retrieval, "clock" | "hasRetrieved">;

/** One chunk is passed on as it is, without a copy. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return joined(all);
}

/** A body whose first chunk has been read: what fails until then fails before anything is sent. */
export class StartedBody {
  /** Undefined when the body is empty. */
  readonly first: Uint8Array | undefined;
  readonly #iterator: AsyncIterator<Uint8Array>;

  static async of(chunks: AsyncIterable<Uint8Array>): Promise<StartedBody> {
    const iterator = chunks[Symbol.asyncIterator]();
    const first = await iterator.next();
    return new StartedBody(first.done === true ? undefined : first.value, iterator);
  }

  private constructor(first: Uint8Array | undefined, iterator: AsyncIterator<Uint8Array>) {
    this.first = first;
    this.#iterator = iterator;
  }

  stream(): AsyncIterable<Uint8Array> {
    return resumed(this.first === undefined ? [] : [this.first], undefined, this.#iterator);
  }

  /**
   * The whole body when it is small and comes at once, so that it is sent in one piece and a failure still gets its status;
   * otherwise a stream that begins with what has come so far. A body that has to be retrieved is not waited for.
   *
   * @param bodyBytes its length, if that is known.
   */
  async wholeOrStream(
    retrieval: BodyRetrieval,
    bodyBytes?: number,
  ): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
    if (this.first === undefined) return new Uint8Array();
    // Not even asked for: it would be begun before the first chunk is sent.
    if (retrieval.hasRetrieved && bodyBytes !== undefined && this.first.byteLength < bodyBytes)
      return this.stream();
    const iterator = this.#iterator;
    const head = [this.first];
    const impatience = Promise.withResolvers<"impatient">();
    const becomeImpatient = (): void => impatience.resolve("impatient");
    const cancel = retrieval.hasRetrieved
      ? nextTurn(becomeImpatient)
      : retrieval.clock.after(PATIENCE_MS, becomeImpatient);
    try {
      for (let bytes = this.first.byteLength; bytes <= WHOLE_BODY_BYTES_MAX;) {
        const next = iterator.next();
        const arrived = await Promise.race([next, impatience.promise]);
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

  /** Ends the reading: nobody wants the rest. */
  async abandon(): Promise<void> {
    await this.#iterator.return?.();
  }
}

/** After what is ready already, which a body of one block is. */
function nextTurn(callback: () => void): () => void {
  const turn = setImmediate(callback);
  return () => clearImmediate(turn);
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
