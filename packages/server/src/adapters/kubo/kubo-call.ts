import { HoldfastError } from "@holdfast/core";
import type { KuboFile } from "./kubo-http.ts";

/** Calls that a slow network answers slowly must not take the places of the others, so each kind has its own. */
export const CALLS_MAX = {
  status: 24,
  block: 32,
  record: 128,
  put: 32,
  routing: 32,
  absence: 16,
  /** Those that Kubo answers from its own tables. */
  pinLook: 16,
  pin: 64,
  pinUpload: 8,
  pinList: 2,
} as const;

export interface KuboCall {
  readonly kind: keyof typeof CALLS_MAX;
  /** Below `/api/v0/`, e.g. `routing/get`. */
  readonly command: string;
  readonly query?: Readonly<Record<string, string>>;
  /** The file that the command takes. When its source fails, so does the call. */
  readonly file?: KuboFile;
  /** From the request to the last byte, without the wait for a place. */
  readonly msMax: number;
  /** Without a byte in either direction for so long it ends. Default: only the whole counts. */
  readonly idleMsMax?: number;
  /** Of the answer. */
  readonly bytesMax: number;
}

/** Kubo answered, but not with what was asked for. */
export class KuboRefusal extends HoldfastError {
  /** What the command itself says about its failure, if it does: to be looked at, not to be passed on to clients. */
  readonly words: string;

  constructor(message: string, words: string, cause: Error) {
    const isLate = words.includes("context deadline exceeded") || words.includes("request timed out");
    super(isLate ? "UPSTREAM_TIMEOUT" : "BACKEND_UNAVAILABLE", message, { cause });
    this.words = words;
  }
}

/** The message of an error of Kubo's; undefined when this is something else, as whatever else listens there may send. */
export function wordsOf(body: string): string | undefined {
  try {
    const error = JSON.parse(body) as unknown;
    if (typeof error !== "object" || error === null || !("Message" in error)) return undefined;
    return typeof error.Message === "string" ? error.Message : undefined;
  } catch {
    // Errors from before the command runs are plain text.
    return undefined;
  }
}
