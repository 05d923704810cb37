import { HoldfastError } from "@holdfast/core";
import type { Timers } from "../../telemetry/clock.ts";
import { Deadline, DeadlineError } from "../http-client/deadline.ts";
import { readBody } from "../http-client/read-body.ts";
import { Limiter } from "../concurrency/limiter.ts";
import { readLines } from "./read-lines.ts";

export interface KuboRpcParts {
  readonly timers: Timers;
  /** While it says so, only calls about Kubo's status are made; the others fail at once. */
  readonly isAway: () => boolean;
  /** Called when Kubo could not be reached, broke off, or sent what it never sends. */
  readonly onBroken: () => void;
}

export interface KuboRpcOptions {
  /** Without `/api/v0`, e.g. `http://127.0.0.1:5001`. */
  readonly baseUrl: string;
}

/** Calls that a slow network answers slowly must not take the places of the others, so each kind has its own. */
const CALLS_MAX = { status: 2, block: 32, record: 128, put: 32, routing: 32, absence: 16 } as const;

export interface KuboCall {
  readonly kind: keyof typeof CALLS_MAX;
  /** Below `/api/v0/`, e.g. `routing/get`. */
  readonly command: string;
  readonly query?: Readonly<Record<string, string>>;
  /** The file that the command takes. */
  readonly file?: Uint8Array;
  /** From the request to the last byte, without the wait for a place. */
  readonly msMax: number;
  /** Of the answer. */
  readonly bytesMax: number;
}

/** Kubo answered, but not with what was asked for. */
export class KuboRefusal extends HoldfastError {
  /** What the command itself says about its failure, if it does: to be looked at, not to be passed on to clients. */
  readonly words: string;

  constructor(command: string, status: number, body: string) {
    const words = wordsOf(body) ?? "";
    const isLate = words.includes("context deadline exceeded") || words.includes("request timed out");
    super(isLate ? "UPSTREAM_TIMEOUT" : "BACKEND_UNAVAILABLE", `Kubo answered ${command} with ${status}`, {
      cause: new Error(body.slice(0, 500)),
    });
    this.words = words;
  }
}

const ERROR_BYTES_MAX = 64 * 1024;
/** No event has more: one carries the addresses of some dozens of peers at most. */
const LINE_BYTES_MAX = 1024 * 1024;

/**
 * Calls to Kubo's RPC. Each has a place among those of its kind, a deadline and a bound of bytes; failures are
 * `BACKEND_UNAVAILABLE` or `UPSTREAM_TIMEOUT`, and the signal's reason when it aborts.
 *
 * A command that fails after its first byte says so in a trailer, which the platform's fetch does not show: whoever calls a
 * command has to know its last object, and take its absence as a failure.
 *
 * @see https://docs.ipfs.tech/reference/kubo/rpc/
 */
export class KuboRpc implements Disposable {
  readonly #parts: KuboRpcParts;
  readonly #baseUrl: string;
  readonly #slots: Readonly<Record<KuboCall["kind"], Limiter>>;
  readonly #closing = new AbortController();

  constructor(parts: KuboRpcParts, options: KuboRpcOptions) {
    this.#parts = parts;
    this.#baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.#slots = {
      status: new Limiter(CALLS_MAX.status),
      block: new Limiter(CALLS_MAX.block),
      record: new Limiter(CALLS_MAX.record),
      put: new Limiter(CALLS_MAX.put),
      routing: new Limiter(CALLS_MAX.routing),
      absence: new Limiter(CALLS_MAX.absence),
    };
  }

  /** The whole body, in a buffer of its own. */
  async bytes(call: KuboCall, options: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    await using answer = await this.#open(call, options.signal);
    return await answer.guard(() => readBody(answer.reader, call.bytesMax, answer.deadline));
  }

  /** The objects of the body, which has one on each line. Leaving the loop ends the call. */
  async *objects(call: KuboCall, options: { readonly signal: AbortSignal }): AsyncGenerator<unknown> {
    await using answer = await this.#open(call, options.signal);
    const lines = readLines(answer.reader, answer.deadline, {
      lineBytesMax: LINE_BYTES_MAX,
      bytesMax: call.bytesMax,
    });
    for (;;) {
      const next = await answer.guard(async () => {
        const { done, value } = await lines.next();
        return done === true ? undefined : { object: JSON.parse(value) as unknown };
      });
      if (next === undefined) return;
      yield next.object;
    }
  }

  /** Ends every call; further ones fail. */
  [Symbol.dispose](): void {
    this.#closing.abort(new HoldfastError("SHUTTING_DOWN", "shutting down"));
  }

  async #open(call: KuboCall, outer: AbortSignal): Promise<Answer> {
    const signal = AbortSignal.any([outer, this.#closing.signal]);
    signal.throwIfAborted();
    if (call.kind !== "status" && this.#parts.isAway()) {
      throw new HoldfastError("BACKEND_UNAVAILABLE", "Kubo does not answer at the moment");
    }
    const slot = await this.#slots[call.kind].enter(signal);
    const deadline = new Deadline(this.#parts.timers, { requestMsMax: call.msMax, signal });
    const answer = new Answer(slot, deadline, (err) => this.#translate(err, call, signal));
    try {
      await answer.guard(async () => {
        const response = await deadline.orExpired(this.#fetch(call, deadline.signal));
        answer.reader = response.body?.getReader();
        if (response.status !== 200) {
          const body = await readBody(answer.reader, ERROR_BYTES_MAX, deadline);
          throw new KuboRefusal(call.command, response.status, new TextDecoder().decode(body));
        }
      });
      return answer;
    } catch (err) {
      await answer[Symbol.asyncDispose]();
      throw err;
    }
  }

  #fetch({ command, query = {}, file }: KuboCall, signal: AbortSignal): Promise<Response> {
    return fetch(`${this.#baseUrl}/api/v0/${command}?${new URLSearchParams(query).toString()}`, {
      method: "POST",
      headers: { "Accept-Encoding": "identity" },
      // Whom we ask is the operator's choice.
      redirect: "manual",
      signal,
      ...(file === undefined ? {} : { body: formOf(file) }),
    });
  }

  #translate(err: unknown, { command }: KuboCall, signal: AbortSignal): Error {
    if (signal.aborted) return signal.reason as Error;
    if (err instanceof KuboRefusal) return err;
    if (err instanceof DeadlineError) {
      return new HoldfastError("UPSTREAM_TIMEOUT", `Kubo did not answer ${command} in time`, { cause: err });
    }
    this.#parts.onBroken();
    return new HoldfastError("BACKEND_UNAVAILABLE", `Kubo does not answer ${command}`, { cause: err });
  }
}

/** An answer under way: gives its place back, and closes the connection unless the body came to its end. */
class Answer implements AsyncDisposable {
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly deadline: Deadline;
  readonly #slot: Disposable;
  readonly #translate: (err: unknown) => Error;

  constructor(slot: Disposable, deadline: Deadline, translate: (err: unknown) => Error) {
    this.#slot = slot;
    this.deadline = deadline;
    this.#translate = translate;
  }

  async guard<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (err) {
      throw this.#translate(err);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.deadline[Symbol.dispose]();
    this.#slot[Symbol.dispose]();
    // Not waited for: whoever does not answer may not end either.
    this.reader?.cancel().catch(() => {});
  }
}

function formOf(file: Uint8Array): FormData {
  const form = new FormData();
  form.append("file", new Blob([Uint8Array.from(file)]), "file");
  return form;
}

/** The message of an error of Kubo's; undefined when this is something else, as whatever else listens there may send. */
function wordsOf(body: string): string | undefined {
  try {
    const error = JSON.parse(body) as unknown;
    if (typeof error !== "object" || error === null || !("Message" in error)) return undefined;
    return typeof error.Message === "string" ? error.Message : undefined;
  } catch {
    // Errors from before the command runs are plain text.
    return undefined;
  }
}
