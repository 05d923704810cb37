import { randomBytes } from "node:crypto";

const startId = randomBytes(4).toString("hex");
let count = 0;

/** Unique over restarts with good odds, cheap, and useless for guessing anything. Goes into errors and their log lines. */
export function nextRequestId(): string {
  count = (count + 1) % Number.MAX_SAFE_INTEGER;
  return `${startId}-${count.toString(36)}`;
}
