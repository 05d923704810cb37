import assert from "node:assert/strict";
import { parentPort } from "node:worker_threads";
import type { FromVerifyThread, ToVerifyThread } from "./verify-messages.ts";
import { verifySignature } from "./verify-signature.ts";

assert(parentPort !== null, "verify-thread runs as a worker only");
const port = parentPort;

port.on("message", (request: ToVerifyThread) => {
  if (request.kind === "close") {
    port.close();
    return;
  }
  const verdicts = request.checks.map((check) => verifySignature(check, check.message, check.signature));
  const answer: FromVerifyThread = { batch: request.batch, verdicts };
  port.postMessage(answer);
});
