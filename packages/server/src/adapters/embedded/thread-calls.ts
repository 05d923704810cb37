import { HoldfastError, type ErrorCode } from "@holdfast/core";
import type { Calls, Failure, FromThread, Method, ToThread } from "./protocol.ts";

/** How many calls of a kind may be open at once: what comes on top is refused, not queued. */
const OPEN_CALLS_MAX = {
  recordGet: 512,
  recordPut: 256,
  blockGet: 1_024,
  findProviders: 128,
  findPeer: 128,
  provide: 64,
  announceBlocks: 64,
  connect: 16,
} as const satisfies Record<Method, number>;

/** How long an aborted call may take to say what it reached. */
const FINISH_GRACE_MS = 1_000;

/** The codes that may cross the port; anything else is a bug or a library's error and becomes `BACKEND_UNAVAILABLE`. */
const CODES_PASSED_ON: ReadonlySet<string> = new Set<ErrorCode>([
  "BACKEND_UNAVAILABLE",
  "CONTENT_NOT_FOUND",
  "INVALID_ARGUMENT",
  "OVERLOADED",
  "UPSTREAM_TIMEOUT",
]);

interface OpenCall {
  readonly method: Method;
  readonly onItem: (item: unknown) => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (err: unknown) => void;
}

export interface CallOptions<M extends Method> {
  readonly signal: AbortSignal;
  readonly onItem?: (item: Calls[M]["item"]) => void;
  /**
   * What an abort does: `reject` gives the signal's reason at once, `finish` waits for the thread to wind the call up
   * and answer with what was reached so far.
   */
  readonly onAbort?: "reject" | "finish";
}

/** The main thread's end of one node thread's port: who waits for which answer. */
export class ThreadCalls {
  readonly #post: (message: ToThread) => void;
  readonly #open = new Map<number, OpenCall>();
  readonly #counts = new Map<Method, number>();
  #lastId = 0;

  constructor(post: (message: ToThread) => void) {
    this.#post = post;
  }

  /** @throws HoldfastError what the thread answered, `OVERLOADED`; the signal's reason when it aborts. */
  async call<M extends Method>(
    method: M,
    params: Calls[M]["params"],
    options: CallOptions<M>,
  ): Promise<Calls[M]["result"]> {
    const { signal } = options;
    signal.throwIfAborted();
    const count = this.#counts.get(method) ?? 0;
    if (count >= OPEN_CALLS_MAX[method]) {
      throw new HoldfastError("OVERLOADED", "too many calls to the embedded node are open", {
        details: { method, max: OPEN_CALLS_MAX[method] },
      });
    }
    this.#counts.set(method, count + 1);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onItem = options.onItem as ((item: unknown) => void) | undefined;
    this.#open.set(id, { method, onItem: onItem ?? ignore, resolve, reject });
    let finishTimer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      this.#post({ type: "cancel", id });
      const graceMs = options.onAbort === "finish" ? FINISH_GRACE_MS : 0;
      if (graceMs === 0) reject(signal.reason);
      else finishTimer = setTimeout(() => reject(signal.reason), graceMs).unref();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#post({ type: "call", id, method, params });
      return (await promise) as Calls[M]["result"];
    } finally {
      clearTimeout(finishTimer);
      signal.removeEventListener("abort", onAbort);
      this.#open.delete(id);
      this.#counts.set(method, (this.#counts.get(method) ?? 1) - 1);
    }
  }

  /** Answers for calls that nobody waits for any more are ignored. */
  settle(message: Extract<FromThread, { id: number }>): void {
    const call = this.#open.get(message.id);
    if (call === undefined) return;
    switch (message.type) {
      case "item":
        call.onItem(message.item);
        return;
      case "result":
        call.resolve(message.result);
        return;
      case "failure":
        call.reject(errorOf(message.failure));
        return;
    }
  }

  /** The thread has gone: everyone who waits is told at once. */
  rejectAll(err: HoldfastError): void {
    for (const call of this.#open.values()) call.reject(err);
  }
}

function errorOf(failure: Failure): HoldfastError {
  const code = failure.code !== undefined && CODES_PASSED_ON.has(failure.code) ? failure.code : undefined;
  if (code !== undefined) return new HoldfastError(code as ErrorCode, failure.message);
  return new HoldfastError("BACKEND_UNAVAILABLE", "the embedded node failed", {
    cause: new Error(failure.message),
  });
}

function ignore(): void {
  // A call without items.
}
