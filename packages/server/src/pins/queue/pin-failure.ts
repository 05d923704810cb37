import { isHoldfastError } from "@holdfast/core";
import type { PinOutcome, QueuedPin } from "../pin-row.ts";

export interface RetryPolicy {
  /** After the first failure; doubles with each further one. */
  readonly restMs: number;
  readonly restMsMax: number;
  /** While a disk is full somewhere: somebody is making room. */
  readonly fullRestMsMax: number;
  /** After so many failures a pin is dead, and the network is not told any more. */
  readonly attemptsMax: number;
}

export interface FailureParts {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
  /** The backend is up and goes on to refuse: then it is about this pin after all, and must not stop the others (R28). */
  readonly isItsOwn: boolean;
}

export interface Failure {
  /** `away`: it is not about this pin; `full`: it is if others fit in. Others may well fail with the same. */
  readonly backendIs: "up" | "away" | "full";
  /** Undefined when nothing of the pin changes. */
  readonly outcome: PinOutcome | undefined;
}

/** What a failed attempt means for its pin. */
export function failureOf(
  err: unknown,
  pin: QueuedPin,
  policy: RetryPolicy,
  { nowMs, random, isItsOwn }: FailureParts,
): Failure {
  const code = isHoldfastError(err) ? err.code : undefined;
  if (!isItsOwn && isOfTheBackend(code)) return { backendIs: "away", outcome: undefined };
  const { step } = pin;
  const attempts = pin.attempts + 1;
  const problem = problemText(err);
  if (step === "pin" && isFinal(code))
    return { backendIs: "up", outcome: { kind: "dead", attempts, problem } };
  const isFull = code === "STORE_FAILED";
  if (attempts >= policy.attemptsMax && !isFull) {
    if (step === "pin") return { backendIs: "up", outcome: { kind: "dead", attempts, problem } };
    if (step === "provide") return { backendIs: "up", outcome: { kind: "not-provided", problem } };
  }
  const restMsMax = isFull ? policy.fullRestMsMax : policy.restMsMax;
  const restMs = Math.min(policy.restMs * 2 ** (attempts - 1), restMsMax);
  const nextAttemptAtMs = nowMs + Math.round(restMs * (0.75 + random / 2));
  const outcome: PinOutcome = { kind: "failed", step, attempts, nextAttemptAtMs, problem };
  return { backendIs: isFull ? "full" : "up", outcome };
}

function isOfTheBackend(code: string | undefined): boolean {
  return code === "BACKEND_UNAVAILABLE" || code === "SHUTTING_DOWN" || code === "OVERLOADED";
}

/** What no further attempt changes. */
function isFinal(code: string | undefined): boolean {
  return code === "CONTENT_UNSUPPORTED" || code === "BODY_TOO_LARGE" || code === "INVALID_CID";
}

/** Only our own messages are for people: others may name paths of the host. */
function problemText(err: unknown): string {
  return isHoldfastError(err) ? err.message.slice(0, PROBLEM_CHARS_MAX) : "the attempt failed";
}

const PROBLEM_CHARS_MAX = 300;
