import assert from "node:assert/strict";
import { parentPort } from "node:worker_threads";
import { loadNostr, type NostrKeys } from "./nostr-keys.ts";
import type { Check, FromVerifyThread, ToVerifyThread } from "./verify-messages.ts";
import { verifySignature } from "./verify-signature.ts";

assert(parentPort !== null, "verify-thread runs as a worker only");
const port = parentPort;
let nostr: NostrKeys | undefined;

port.on("message", (request: ToVerifyThread) => {
  if (request.kind === "close") {
    port.close();
    return;
  }
  const { batch, checks } = request;
  if (nostr !== undefined || !checks.some(({ type }) => type === "event")) answer(batch, checks);
  // The first event waits until its library is loaded; records have no need of it.
  else void loading().then(() => answer(batch, checks));
});

async function loading(): Promise<void> {
  nostr ??= await loadNostr();
}

function answer(batch: number, checks: readonly Check[]): void {
  const verdicts = checks.map((check) => {
    if (check.type === "event") return nostr?.isSigned(check.event) ?? false;
    return verifySignature(check, check.message, check.signature);
  });
  port.postMessage({ batch, verdicts } satisfies FromVerifyThread);
}
