import { HoldfastError } from "@holdfast/core";
import type { Timers } from "../../telemetry/clock.ts";
import { Deadline, DeadlineError } from "../http-client/deadline.ts";
import { Limiter } from "../concurrency/limiter.ts";
import { CALLS_MAX, type KuboCall, KuboRefusal, wordsOf } from "./kubo-call.ts";
import { type KuboBody, KuboHttp, type KuboHttpOptions, KuboStreamError } from "./kubo-http.ts";
import { readLines } from "./read-lines.ts";

export interface KuboRpcParts {
  readonly timers: Timers;
  /** While it says so, only calls about Kubo's status are made; the others fail at once. */
  readonly isAway: () => boolean;
  /** Called when Kubo could not be reached, broke off, or sent what it never sends. */
  readonly onBroken: () => void;
  /** Called when Kubo did what was asked, or a part of it. */
  readonly onAnswer: () => void;
}

const ERROR_BYTES_MAX = 64 * 1024;
/** No event has more: one carries the addresses of some dozens of peers at most. */
const LINE_BYTES_MAX = 1024 * 1024;

/**
 * Calls to Kubo's RPC. Each has a place among those of its kind, a deadline and a bound of bytes; failures are
 * `BACKEND_UNAVAILABLE` or `UPSTREAM_TIMEOUT`, and the signal's reason when it aborts.
 *
 * A command that fails after its first byte fails the call, too. One that is broken off when Kubo stops may end as if it were
 * complete: whoever needs the whole has to know its last object.
 *
 * @see https://docs.ipfs.tech/reference/kubo/rpc/
 */
export class KuboRpc implements Disposable {
  readonly #parts: KuboRpcParts;
  readonly #http: KuboHttp;
  readonly #slots = new Map<KuboCall["kind"], Limiter>();
  readonly #underWay = new Set<UnderWay>();
  #closedBy: HoldfastError | undefined;

  /** @param options with the URL of the RPC without `/api/v0`, e.g. `http://127.0.0.1:5001`. */
  constructor(parts: KuboRpcParts, { baseUrl, authorization }: KuboHttpOptions) {
    this.#parts = parts;
    this.#http = new KuboHttp({ baseUrl: baseUrl.replace(/\/*$/, "/api/v0/"), authorization });
  }

  /** The whole body, in a buffer of its own. */
  async bytes(call: KuboCall, options: CallOptions): Promise<Uint8Array> {
    using answer = await this.#open(call, options);
    return await answer.guard(() => answer.deadline.orExpired(answer.body.readAll(call.bytesMax)));
  }

  /** The objects of the body, which has one on each line. Leaving the loop ends the call. */
  async *objects(call: KuboCall, options: CallOptions): AsyncGenerator<unknown> {
    for await (const { value } of this.#lines(call, options, (line) => JSON.parse(line) as unknown))
      yield value;
  }

  /**
   * The lines of a list. Ends normally only when Kubo still worked after the last one, so that none can be missing: it ends
   * a list well although it is stopping.
   *
   * @param isWorking asks something that only a Kubo that works can answer; its calls have to go over the connection of the
   *   list, or Kubo was another one meanwhile.
   */
  async *wholeList(
    call: KuboCall,
    isWorking: (options: CallOptions) => Promise<unknown>,
    { signal }: CallOptions,
  ): AsyncGenerator<string> {
    using http = this.#http.alone();
    const used = new Set<object>();
    const options: OpenOptions = { signal, http, onConnection: (connection) => used.add(connection) };
    for await (const { value } of this.#lines(call, options, (line) => line)) yield value;
    await isWorking(options);
    if (used.size === 1) return;
    throw new HoldfastError("BACKEND_UNAVAILABLE", `Kubo stopped during ${call.command}`);
  }

  /** Kubo is away: ends every call but those about its status. */
  breakOff(): void {
    const reason = new HoldfastError("BACKEND_UNAVAILABLE", "Kubo does not answer any more");
    for (const call of this.#underWay) if (!call.isAboutStatus) call.end(reason);
  }

  /** Ends every call; further ones fail. */
  [Symbol.dispose](): void {
    this.#closedBy = new HoldfastError("SHUTTING_DOWN", "shutting down");
    for (const call of this.#underWay) call.end(this.#closedBy);
    this.#http[Symbol.dispose]();
  }

  async *#lines<T>(
    call: KuboCall,
    options: OpenOptions,
    read: (line: string) => T,
  ): AsyncGenerator<{ value: T }> {
    using answer = await this.#open(call, options);
    const lines = readLines(answer.body, answer.deadline, {
      lineBytesMax: LINE_BYTES_MAX,
      bytesMax: call.bytesMax,
    });
    for (;;) {
      const next = await answer.guard(async () => {
        const { done, value } = await lines.next();
        return done === true ? undefined : { value: read(value) };
      });
      this.#parts.onAnswer();
      if (next === undefined) return;
      yield next;
    }
  }

  async #open(call: KuboCall, options: OpenOptions): Promise<Answer> {
    options.signal.throwIfAborted();
    if (this.#closedBy !== undefined) throw this.#closedBy;
    if (call.kind !== "status" && this.#parts.isAway()) {
      throw new HoldfastError("BACKEND_UNAVAILABLE", "Kubo does not answer at the moment");
    }
    using stack = new DisposableStack();
    const { signal } = stack.use(new UnderWay(call, options.signal, this.#underWay));
    stack.use(await this.#slotsOf(call.kind).enter(signal));
    const idle = call.idleMsMax === undefined ? {} : { idleMsMax: call.idleMsMax };
    const deadline = stack.use(
      new Deadline(this.#parts.timers, { requestMsMax: call.msMax, ...idle, signal }),
    );
    const translate = (err: unknown): Error => this.#translate(err, call, signal);
    try {
      const body = await this.#ask(call, deadline, options);
      options.onBegun?.();
      stack.defer(() => body.cancel());
      return new Answer(stack.move(), { body, deadline, translate });
    } catch (err) {
      throw translate(err);
    }
  }

  async #ask(
    { command, query = {}, file }: KuboCall,
    deadline: Deadline,
    { http = this.#http, onConnection }: OpenOptions,
  ): Promise<KuboBody> {
    const path = `${command}?${new URLSearchParams(query).toString()}`;
    const onSent = (): void => deadline.noteProgress();
    const asking = http.ask({ path, file, onSent, signal: deadline.signal });
    const { status, body, connection } = await deadline.orExpired(asking);
    onConnection?.(connection);
    if (status === 200) {
      this.#parts.onAnswer();
      return body;
    }
    try {
      const text = new TextDecoder().decode(await deadline.orExpired(body.readAll(ERROR_BYTES_MAX)));
      const cause = new Error(text.slice(0, 500));
      throw new KuboRefusal(`Kubo answered ${command} with ${status}`, wordsOf(text) ?? "", cause);
    } finally {
      body.cancel();
    }
  }

  #slotsOf(kind: KuboCall["kind"]): Limiter {
    const slots = this.#slots.get(kind) ?? new Limiter(CALLS_MAX[kind]);
    this.#slots.set(kind, slots);
    return slots;
  }

  #translate(err: unknown, { command }: KuboCall, signal: AbortSignal): Error {
    if (signal.aborted) return signal.reason as Error;
    if (err instanceof KuboRefusal) return err;
    if (err instanceof KuboStreamError) {
      return new KuboRefusal(`Kubo broke ${command} off`, err.message, err);
    }
    if (err instanceof DeadlineError) {
      return new HoldfastError("UPSTREAM_TIMEOUT", `Kubo did not answer ${command} in time`, { cause: err });
    }
    this.#parts.onBroken();
    return new HoldfastError("BACKEND_UNAVAILABLE", `Kubo does not answer ${command}`, { cause: err });
  }
}

interface CallOptions {
  readonly signal: AbortSignal;
  /** Called when Kubo has begun to give what was asked for. */
  readonly onBegun?: () => void;
}

interface OpenOptions extends CallOptions {
  /** Default: the connections that all calls share. */
  readonly http?: KuboHttp;
  readonly onConnection?: (connection: object) => void;
}

/** A call that can be ended from without, from before it has a place. */
class UnderWay implements Disposable {
  readonly #call: KuboCall;
  readonly #all: Set<UnderWay>;
  readonly #abort = new AbortController();
  readonly #outer: AbortSignal;
  readonly #onOuter = (): void => this.#abort.abort(this.#outer.reason);

  constructor(call: KuboCall, outer: AbortSignal, all: Set<UnderWay>) {
    this.#call = call;
    this.#outer = outer;
    this.#all = all;
    // Not AbortSignal.any, which costs more than all the rest of a call.
    outer.addEventListener("abort", this.#onOuter, { once: true });
    all.add(this);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isAboutStatus(): boolean {
    return this.#call.kind === "status";
  }

  end(reason: Error): void {
    this.#abort.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#outer.removeEventListener("abort", this.#onOuter);
    this.#all.delete(this);
  }
}

/** An answer that has begun. Disposing of it gives its place back, and closes the connection unless the body came to its end. */
class Answer implements Disposable {
  readonly body: KuboBody;
  readonly deadline: Deadline;
  readonly #ends: DisposableStack;
  readonly #translate: (err: unknown) => Error;

  constructor(
    ends: DisposableStack,
    parts: {
      readonly body: KuboBody;
      readonly deadline: Deadline;
      readonly translate: (err: unknown) => Error;
    },
  ) {
    this.#ends = ends;
    this.body = parts.body;
    this.deadline = parts.deadline;
    this.#translate = parts.translate;
  }

  async guard<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (err) {
      throw this.#translate(err);
    }
  }

  [Symbol.dispose](): void {
    this.#ends.dispose();
  }
}
