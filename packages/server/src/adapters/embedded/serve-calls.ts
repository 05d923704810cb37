import { setMaxListeners } from "node:events";
import type { MessagePort } from "node:worker_threads";
import { isHoldfastError } from "@holdfast/core";
import type { Calls, Failure, FromThread, Method, ToThread } from "./protocol.ts";

interface CallContext<M extends Method> {
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
  readonly emit: (item: Calls[M]["item"]) => void;
}

/** Byte arrays that handlers return or emit are given away: their buffers are transferred. */
export type Handlers = {
  readonly [M in Method]: (
    params: Calls[M]["params"],
    context: CallContext<M>,
  ) => Promise<Calls[M]["result"]>;
};

/** The node thread's end of the port: runs each call, answers it once, and aborts what the caller gives up. */
export class CallServer {
  readonly #port: MessagePort;
  readonly #handlers: Handlers;
  readonly #running = new Map<number, AbortController>();

  constructor(port: MessagePort, handlers: Handlers) {
    this.#port = port;
    this.#handlers = handlers;
  }

  receive(message: Extract<ToThread, { id: number }>): void {
    if (message.type === "cancel") this.#running.get(message.id)?.abort();
    else void this.#run(message.id, message.method, message.params);
  }

  abortAll(): void {
    for (const running of this.#running.values()) running.abort();
  }

  async #run<M extends Method>(id: number, method: M, params: unknown): Promise<void> {
    const controller = new AbortController();
    setMaxListeners(Number.POSITIVE_INFINITY, controller.signal);
    this.#running.set(id, controller);
    const handler: Handlers[M] = this.#handlers[method];
    try {
      const result = await handler(params as Calls[M]["params"], {
        signal: controller.signal,
        emit: (item) => this.#post({ type: "item", id, item }, item),
      });
      this.#post({ type: "result", id, result }, result);
    } catch (err) {
      this.#post({ type: "failure", id, failure: failureOf(err) }, undefined);
    } finally {
      this.#running.delete(id);
    }
  }

  #post(message: FromThread, payload: unknown): void {
    const transfer =
      payload instanceof Uint8Array && payload.buffer instanceof ArrayBuffer ? [payload.buffer] : [];
    this.#port.postMessage(message, transfer);
  }
}

function failureOf(err: unknown): Failure {
  if (isHoldfastError(err)) return { code: err.code, message: err.message };
  return { code: undefined, message: err instanceof Error ? `${err.name}: ${err.message}` : String(err) };
}
