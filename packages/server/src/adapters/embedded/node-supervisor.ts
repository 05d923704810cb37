import type { Worker } from "node:worker_threads";
import { HoldfastError } from "@holdfast/core";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { spawnThread } from "../threads/spawn-thread.ts";
import type { FromThread, NodeFacts, NodeThreadSettings, ToThread } from "./protocol.ts";
import { restartDelayMs, STABLE_AFTER_MS } from "./restart-delay.ts";
import { ThreadCalls } from "./thread-calls.ts";

/** A thread that has not reported by then is taken for dead. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
/** The node's JavaScript heap. Blocks are outside of it. */
const HEAP_MB_MAX = 768;

export type NodeState = "starting" | "running" | "restarting" | "stopped";

export interface SupervisorParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock & Timers;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onCaptured: (routingKey: Uint8Array, record: Uint8Array) => void;
}

/** Keeps one node thread alive: starts it, restarts it with back-off when it dies, and stops it. */
export class NodeSupervisor implements AsyncDisposable {
  readonly #settings: NodeThreadSettings;
  readonly #parts: SupervisorParts;
  #state: NodeState = "starting";
  #sinceMs: number;
  #facts: NodeFacts | undefined;
  #thread: Worker | undefined;
  #calls: ThreadCalls | undefined;
  /** Settles at the end of the first start, whether it ran or failed. */
  readonly #started = Promise.withResolvers<void>();
  #failures = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(settings: NodeThreadSettings, parts: SupervisorParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#sinceMs = parts.clock.nowMs();
  }

  get state(): NodeState {
    return this.#state;
  }

  /** When it came into its state, ms since the Unix epoch. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** What the running thread last reported; undefined when none runs. */
  get facts(): NodeFacts | undefined {
    return this.#facts;
  }

  /** Starts the thread in the background. */
  start(): void {
    if (this.#thread === undefined && this.#state === "starting") this.#spawn();
  }

  /**
   * The port of the running thread. During the first start it waits; later, while the thread is down, it fails at once.
   *
   * @throws HoldfastError `BACKEND_UNAVAILABLE`; the signal's reason when it aborts.
   */
  async calls(signal: AbortSignal): Promise<ThreadCalls> {
    signal.throwIfAborted();
    if (this.#state === "starting") await waitFor(this.#started.promise, signal);
    if (this.#state === "running" && this.#calls !== undefined) return this.#calls;
    throw new HoldfastError("BACKEND_UNAVAILABLE", "the embedded node is not running", {
      details: { state: this.#state },
    });
  }

  /** @internal For tests of the restart: the thread ends as if it had crashed. */
  async killThreadForTest(): Promise<void> {
    await this.#thread?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "stopped") return;
    this.#enter("stopped");
    this.#cancelTimer();
    this.#started.resolve();
    this.#calls?.rejectAll(new HoldfastError("SHUTTING_DOWN", "the embedded node is being stopped"));
    const thread = this.#thread;
    if (thread === undefined) return;
    const exited = new Promise<void>((resolve) => thread.once("exit", () => resolve()));
    thread.postMessage({ type: "stop" } satisfies ToThread);
    const cancel = this.#parts.clock.after(STOP_TIMEOUT_MS, () => {
      this.#parts.logger.warn("embedded node did not stop in time and is terminated");
      void thread.terminate();
    });
    await exited;
    cancel();
  }

  #spawn(): void {
    const thread = spawnThread("./node-thread", import.meta.url, {
      name: "embedded-node",
      workerData: this.#settings,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    this.#thread = thread;
    const calls = new ThreadCalls((message) => {
      // Nothing is transferred this way: records and CIDs are small, and the caller's bytes stay the caller's.
      thread.postMessage(message);
    });
    thread.on("message", (message: FromThread) => {
      if (this.#thread === thread) this.#receive(message, calls);
    });
    thread.on("error", (err) => {
      this.#parts.logger.error({ err }, "embedded node crashed");
    });
    thread.on("exit", (exitCode) => {
      this.#threadEnded(thread, calls, exitCode);
    });
    this.#cancelTimer = this.#parts.clock.after(START_TIMEOUT_MS, () => {
      this.#parts.logger.error("embedded node did not start in time");
      void thread.terminate();
    });
  }

  #receive(message: FromThread, calls: ThreadCalls): void {
    switch (message.type) {
      case "item":
      case "result":
      case "failure":
        calls.settle(message);
        return;
      case "captured":
        this.#parts.onCaptured(message.routingKey, message.record);
        this.#thread?.postMessage({ type: "captureTaken" } satisfies ToThread);
        return;
      case "running":
        this.#running(message.facts, calls);
        return;
      case "facts":
        this.#facts = message.facts;
        return;
      case "log":
        this.#parts.logger[message.level](message.fields, message.message);
        return;
    }
  }

  #running(facts: NodeFacts, calls: ThreadCalls): void {
    if (this.#state === "stopped") return;
    this.#cancelTimer();
    this.#facts = facts;
    this.#calls = calls;
    this.#enter("running");
    this.#started.resolve();
    this.#parts.logger.info({ peerId: facts.peerId, addrs: facts.addrs }, "embedded node runs");
    this.#cancelTimer = this.#parts.clock.after(STABLE_AFTER_MS, () => {
      this.#failures = 0;
    });
  }

  #threadEnded(thread: Worker, calls: ThreadCalls, exitCode: number): void {
    if (this.#thread !== thread) return;
    this.#cancelTimer();
    this.#thread = undefined;
    this.#calls = undefined;
    this.#facts = undefined;
    if (this.#state === "stopped") {
      calls.rejectAll(new HoldfastError("SHUTTING_DOWN", "the embedded node is being stopped"));
      return;
    }
    this.#failures++;
    this.#parts.metrics.backend.restarts++;
    this.#enter("restarting");
    this.#started.resolve();
    calls.rejectAll(new HoldfastError("BACKEND_UNAVAILABLE", "the embedded node ended"));
    const delayMs = restartDelayMs(this.#failures, this.#parts.random());
    this.#parts.logger.error(
      { exitCode, delayMs, failures: this.#failures },
      "embedded node ended, will restart",
    );
    this.#cancelTimer = this.#parts.clock.after(delayMs, () => {
      this.#spawn();
    });
  }

  #enter(state: NodeState): void {
    this.#state = state;
    this.#sinceMs = this.#parts.clock.nowMs();
  }
}

/** A promise that does not stop what it waits for when the signal aborts. */
async function waitFor(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => {
    aborted.reject(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
