import type { Worker } from "node:worker_threads";
import { type CheckEvent, HoldfastError, type NostrEvent, type VerifySignature } from "@holdfast/core";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { spawnThread } from "../threads/spawn-thread.ts";
import type { Check, FromVerifyThread, ToVerifyThread } from "./verify-messages.ts";

export interface SignatureVerifierParts {
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "signatures">;
  /** For tests that end the thread. */
  readonly spawn?: typeof spawnThread;
}

export interface SignatureVerifierOptions {
  /** Checks accepted and not answered yet; one more is refused with `OVERLOADED`. 1,024 take about 0.15 s. */
  readonly waitingMax?: number;
}

/** A batch is answered as a whole: 32 checks keep the first one waiting about 4 ms. */
const BATCH_CHECKS_MAX = 32;
const RESTART_DELAY_MS_MIN = 100;
const RESTART_DELAY_MS_MAX = 10_000;

/**
 * Checks signatures on a thread of its own, so that a flood of forged records costs the event loop nothing but the posting.
 * A check ends in the thread's verdict or in an error; no failure of the thread is ever taken for a valid signature.
 */
export class SignatureVerifier implements AsyncDisposable {
  /**
   * @throws HoldfastError `OVERLOADED` when the queue is full or the thread died before it answered, `SHUTTING_DOWN` after
   * disposal began.
   */
  readonly verifySignature: (...check: Parameters<VerifySignature>) => Promise<boolean> = (
    publicKey,
    message,
    signature,
  ) =>
    // Copies: a posted view would clone the whole buffer behind it, such as a request's body.
    this.#enqueue({
      type: publicKey.type,
      raw: new Uint8Array(publicKey.raw),
      message: new Uint8Array(message),
      signature: new Uint8Array(signature),
    });

  /** As {@link verifySignature}, for the id and the signature of a Nostr event. */
  readonly checkEvent: (...check: Parameters<CheckEvent>) => Promise<boolean> = (event: NostrEvent) =>
    this.#enqueue({ type: "event", event });

  readonly #parts: SignatureVerifierParts;
  readonly #waitingMax: number;
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  #unsent: WaitingCheck[] = [];
  readonly #sent = new Map<number, readonly WaitingCheck[]>();
  #waitingCount = 0;
  #batchCount = 0;
  #restartDelayMs = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #isClosing = false;
  #drained: (() => void) | undefined;

  static start(parts: SignatureVerifierParts, options: SignatureVerifierOptions = {}): SignatureVerifier {
    const verifier = new SignatureVerifier(parts, options);
    verifier.#startThread();
    return verifier;
  }

  private constructor(parts: SignatureVerifierParts, { waitingMax = 1024 }: SignatureVerifierOptions) {
    this.#parts = parts;
    this.#waitingMax = waitingMax;
  }

  /** Answers what was accepted, then ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restartTimer);
    if (this.#waitingCount > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#worker?.postMessage({ kind: "close" } satisfies ToVerifyThread);
    await this.#exited;
  }

  #enqueue(check: Check): Promise<boolean> {
    if (this.#isClosing) return Promise.reject(new HoldfastError("SHUTTING_DOWN", "The node is stopping"));
    if (this.#worker === undefined || this.#waitingCount >= this.#waitingMax) {
      this.#parts.metrics.signatures.overloaded += 1;
      return Promise.reject(new HoldfastError("OVERLOADED", "Too many signatures wait to be checked"));
    }
    return new Promise((resolve, reject) => {
      this.#waitingCount += 1;
      if (this.#unsent.push({ check, resolve, reject }) === 1) setImmediate(() => this.#send());
    });
  }

  /** Once per turn of the event loop: what one turn read from its sockets shares its messages. */
  #send(): void {
    const waiting = this.#unsent;
    this.#unsent = [];
    for (let start = 0; start < waiting.length; start += BATCH_CHECKS_MAX) {
      const checks = waiting.slice(start, start + BATCH_CHECKS_MAX);
      const batch = ++this.#batchCount;
      this.#sent.set(batch, checks);
      const message: ToVerifyThread = { kind: "check", batch, checks: checks.map(({ check }) => check) };
      this.#worker?.postMessage(message);
    }
  }

  #settle({ batch, verdicts }: FromVerifyThread): void {
    const checks = this.#sent.get(batch) ?? [];
    this.#sent.delete(batch);
    this.#restartDelayMs = 0;
    checks.forEach(({ resolve }, index) => {
      const isValid = verdicts[index] === true;
      this.#parts.metrics.signatures[isValid ? "verified" : "rejected"] += 1;
      resolve(isValid);
    });
    this.#forget(checks.length);
  }

  #forget(count: number): void {
    this.#waitingCount -= count;
    if (this.#waitingCount === 0) this.#drained?.();
  }

  #startThread(): void {
    const worker = (this.#parts.spawn ?? spawnThread)("./verify-thread", import.meta.url);
    this.#worker = worker;
    worker.on("message", (answer: FromVerifyThread) => this.#settle(answer));
    worker.on("error", (err) => this.#parts.logger.error({ err }, "verify thread failed"));
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#onExit();
        resolve();
      });
    });
  }

  #onExit(): void {
    this.#worker = undefined;
    const lost = [...this.#sent.values()].flat().concat(this.#unsent);
    this.#sent.clear();
    this.#unsent = [];
    for (const { reject } of lost) {
      this.#parts.metrics.signatures.overloaded += 1;
      reject(new HoldfastError("OVERLOADED", "The signature could not be checked now"));
    }
    this.#forget(lost.length);
    if (this.#isClosing) return;
    // The first restart is immediate; a thread that dies without having answered anything waits longer each time.
    this.#parts.logger.warn(
      { lost: lost.length, delayMs: this.#restartDelayMs },
      "verify thread ended, restarting",
    );
    this.#restartTimer = setTimeout(() => this.#startThread(), this.#restartDelayMs);
    this.#restartDelayMs = Math.min(
      Math.max(this.#restartDelayMs * 2, RESTART_DELAY_MS_MIN),
      RESTART_DELAY_MS_MAX,
    );
  }
}

interface WaitingCheck {
  readonly check: Check;
  readonly resolve: (isValid: boolean) => void;
  readonly reject: (err: HoldfastError) => void;
}
