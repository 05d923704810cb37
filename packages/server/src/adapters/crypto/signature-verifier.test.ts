import type { Worker } from "node:worker_threads";
import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { Metrics } from "../../telemetry/metrics.ts";
import { spawnThread } from "../threads/spawn-thread.ts";
import { generateIpnsKey, type IpnsKey } from "./keys.ts";
import { SignatureVerifier, type SignatureVerifierOptions } from "./signature-verifier.ts";
import { until } from "../../../test/support/until.ts";

const OVERLOADED = expect.objectContaining({ code: "OVERLOADED" });

test("valid and forged signatures of all key types get their own verdict, in any order", async () => {
  const { verify, metrics } = startVerifier();
  const keys = (["Ed25519", "RSA", "Secp256k1", "ECDSA"] as const).map((type) => generateIpnsKey(type));
  const cases = Array.from({ length: 200 }, (_, index) => {
    const key = keys[index % keys.length] as IpnsKey;
    return { key, message: Uint8Array.of(index, 7), isForged: (index * 7) % 3 === 0 };
  });
  const verdicts = await Promise.all(
    cases.map(({ key, message, isForged }) => {
      return verify(key.publicKey, isForged ? Uint8Array.of(...message, 1) : message, key.sign(message));
    }),
  );
  expect(verdicts).toEqual(cases.map(({ isForged }) => !isForged));
  expect(metrics.signatures).toEqual({ verified: 133, rejected: 67, overloaded: 0 });
});

test("bytes changed after the call do not change the verdict", async () => {
  const { verify } = startVerifier();
  const key = generateIpnsKey();
  const message = Uint8Array.of(1, 2, 3);
  const verdict = verify(key.publicKey, message, key.sign(message));
  message.fill(0);
  expect(await verdict).toBe(true);
});

test("a full queue refuses with OVERLOADED and loses nothing that it accepted", async () => {
  const { verify, metrics } = startVerifier({ waitingMax: 10 });
  const key = generateIpnsKey();
  const message = Uint8Array.of(1);
  const signature = key.sign(message);
  const checks = Array.from({ length: 15 }, () => verify(key.publicKey, message, signature));
  const settled = await Promise.allSettled(checks);
  expect(settled.slice(0, 10)).toEqual(
    Array.from({ length: 10 }, () => ({ status: "fulfilled", value: true })),
  );
  expect(settled.slice(10)).toEqual(
    Array.from({ length: 5 }, () => ({ status: "rejected", reason: OVERLOADED })),
  );
  expect(metrics.signatures).toEqual({ verified: 10, rejected: 0, overloaded: 5 });
  // Room again once they are answered.
  expect(await verify(key.publicKey, message, signature)).toBe(true);
});

test("checks that wait when the thread dies are refused, never taken for valid, and a new thread takes over", async () => {
  const { verify, workers } = startVerifier();
  const key = generateIpnsKey();
  const message = Uint8Array.of(1);
  const signature = key.sign(message);
  expect(await verify(key.publicKey, message, signature)).toBe(true);

  // Ended before the checks are posted, so that none of them can have been answered.
  const ended = workers[0]?.terminate();
  const settled = await Promise.allSettled(
    Array.from({ length: 50 }, () => verify(key.publicKey, message, signature)),
  );
  expect(settled).toEqual(Array.from({ length: 50 }, () => ({ status: "rejected", reason: OVERLOADED })));
  await ended;

  await until(async () => {
    expect(await verify(key.publicKey, message, signature)).toBe(true);
  });
  expect(workers).toHaveLength(2);
});

test("a thread that dies at every start is started again later and later, and every check is refused meanwhile", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { verify, workers } = startVerifier();
  const key = generateIpnsKey();
  for (const delayMs of [0, 100, 200, 400]) {
    const started = workers.length;
    await workers.at(-1)?.terminate();
    await expect(verify(key.publicKey, Uint8Array.of(1), key.sign(Uint8Array.of(1)))).rejects.toEqual(
      OVERLOADED,
    );
    if (delayMs > 0) vi.advanceTimersByTime(delayMs - 1);
    expect(workers).toHaveLength(started);
    vi.advanceTimersByTime(1);
    expect(workers).toHaveLength(started + 1);
  }
});

test("disposal answers what was accepted, refuses what comes later and ends the thread", async () => {
  const { verifier, verify, workers } = startVerifier();
  const key = generateIpnsKey();
  const message = Uint8Array.of(1);
  const signature = key.sign(message);
  const checks = Array.from({ length: 100 }, () => verify(key.publicKey, message, signature));
  const exited = new Promise((resolve) => workers[0]?.once("exit", resolve));
  const disposed = verifier[Symbol.asyncDispose]();
  await expect(verify(key.publicKey, message, signature)).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  expect(await Promise.all(checks)).toEqual(checks.map(() => true));
  await disposed;
  await exited;
});

interface StartedVerifier {
  readonly verifier: SignatureVerifier;
  readonly verify: SignatureVerifier["verifySignature"];
  readonly metrics: Metrics;
  readonly workers: readonly Worker[];
}

function startVerifier(options: SignatureVerifierOptions = {}): StartedVerifier {
  const metrics = new Metrics();
  const workers: Worker[] = [];
  const verifier = SignatureVerifier.start(
    {
      logger: pino({ level: "silent" }),
      metrics,
      spawn: (...args) => {
        const worker = spawnThread(...args);
        workers.push(worker);
        return worker;
      },
    },
    options,
  );
  onTestFinished(() => verifier[Symbol.asyncDispose]());
  return { verifier, verify: verifier.verifySignature, metrics, workers };
}
