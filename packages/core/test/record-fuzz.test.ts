import { expect, test } from "vitest";
import { isHoldfastError } from "../src/errors.ts";
import { createRecord } from "../src/ipns/create-record.ts";
import { contentPathOf, decodeRecord } from "../src/ipns/record.ts";
import type { IpnsRecord } from "../src/ipns/record.ts";
import { recordProblemOf } from "../src/ipns/record-problem.ts";
import type { RecordProblem } from "../src/ipns/record-problem.ts";
import { checkRecord, restoreRecord, validateRecord } from "../src/ipns/validate.ts";
import { generateKey, KEY_TYPES, seedOf, verifySignature } from "./support/keys.ts";
import type { TestKey } from "./support/keys.ts";
import { SeededRandom, mutate } from "./support/random.ts";
import { concat, hex } from "./support/raw-record.ts";
import { vector, vectorFile } from "./support/vectors.ts";

const NOW_MS = Date.UTC(2025, 0, 1);
const KEYS = KEY_TYPES.map((type) => generateKey(type, type === "RSA" ? undefined : seedOf(6)));

interface Original {
  readonly key: TestKey;
  readonly bytes: Uint8Array;
}

async function originals(): Promise<Original[]> {
  const golden = generateKey("Ed25519", hex(vectorFile.seed));
  const made = "ABCDEOQRVW".split("").map((letter) => ({ key: golden, bytes: vector(letter) }));
  for (const key of KEYS) {
    for (const v1Compatible of [true, false]) {
      const content = { value: "/ipfs/bafkqaaa", sequence: 1n, eolMs: Date.UTC(2125, 0, 1), v1Compatible };
      const bytes = await createRecord(
        { ...content, publicKey: key.publicKey, metadata: { _m: "x" } },
        key.sign,
      );
      made.push({ key, bytes });
    }
  }
  return made;
}

function tryOnly<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch (err) {
    if (!isHoldfastError(err)) throw err;
    return undefined;
  }
}

/** The record, or the reason why it is none. */
function decodeOr(bytes: Uint8Array): IpnsRecord | RecordProblem {
  try {
    return decodeRecord(bytes);
  } catch (err) {
    const problem = recordProblemOf(err);
    if (problem === undefined) throw err;
    return problem;
  }
}

test("damaged records are decoded or refused with a reason, never anything else", async () => {
  const random = new SeededRandom(1);
  const all = await originals();
  const problems = new Set<RecordProblem>();
  let decoded = 0;
  for (let i = 0; i < 40_000; i++) {
    const { bytes } = random.pick(all);
    const once = mutate(random, bytes, random.pick(all).bytes);
    const record = decodeOr(random.below(3) === 0 ? mutate(random, once, bytes) : once);
    if (typeof record === "string") {
      problems.add(record);
      continue;
    }
    decoded++;
    // Every part can be read, and the value is interpreted or refused.
    expect(Math.min(record.data.length, record.signatureV2.length, record.validity.length)).toBeGreaterThan(
      0,
    );
    expect(record.sequence >= 0n && record.sequence < 2n ** 63n).toBe(true);
    tryOnly(() => contentPathOf(record));
  }
  // Otherwise the damage was too great to reach the inner parsers.
  expect(decoded).toBeGreaterThan(2_000);
  expect(problems.size).toBeGreaterThan(8);
}, 60_000);

test("random bytes are refused with a reason", () => {
  const random = new SeededRandom(2);
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.bytes(random.below(random.below(20) === 0 ? 11_000 : 60));
    expect(tryOnly(() => decodeRecord(bytes))).toBeUndefined();
  }
}, 60_000);

test("a damaged record that is accepted says exactly what its owner signed", async () => {
  const random = new SeededRandom(3);
  const all = await originals();
  let accepted = 0;
  for (let i = 0; i < 12_000; i++) {
    const { key, bytes } = random.pick(all);
    const record = await validOrUndefined(key, mutate(random, bytes, random.pick(all).bytes));
    if (record === undefined) continue;
    accepted++;
    const message = concat(Buffer.from("ipns-signature:"), record.data);
    expect(verifySignature(key.publicKey, message, record.signatureV2)).toBe(true);
    const ownersRecords = all.filter((original) => original.key === key);
    expect(
      ownersRecords.some((original) => Buffer.from(original.bytes).includes(Buffer.from(record.data))),
    ).toBe(true);
  }
  // Splices that give back an original, and changes of signatureV1.
  expect(accepted).toBeGreaterThan(100);
  expect(accepted).toBeLessThan(2_500);
}, 60_000);

async function validOrUndefined(key: TestKey, bytes: Uint8Array): Promise<IpnsRecord | undefined> {
  try {
    return await validateRecord(bytes, key.name, { nowMs: NOW_MS, verifySignature });
  } catch (err) {
    if (recordProblemOf(err) === undefined) throw err;
    return undefined;
  }
}

test("no variant of a V2-only record can be made by changing its unsigned bytes", async () => {
  const golden = generateKey("Ed25519", hex(vectorFile.seed));
  const random = new SeededRandom(4);
  const variants = new Set<string>();
  for (let i = 0; i < 20_000; i++) {
    const bytes = mutate(random, vector("B"), vector("A"));
    const outcome = tryOnly(() => checkRecord(bytes, golden.name, NOW_MS));
    if (outcome === undefined) continue;
    const { record, publicKey, signedBytes } = outcome;
    if (await verifySignature(publicKey, signedBytes, record.signatureV2)) {
      variants.add(Buffer.from(record.bytes).toString("hex"));
    }
  }
  expect([...variants]).toEqual([Buffer.from(vector("B")).toString("hex")]);
}, 60_000);

test("the worst records of the greatest size are answered within milliseconds", () => {
  const { name } = generateKey("Ed25519", seedOf(6));
  const worst = [
    // Ten thousand empty lists, nested maps, keys: each byte a step of the walk.
    concat(hex("42010149ca4f"), hex("a1616199"), hex("27c0"), new Uint8Array(10_100).fill(0x80)),
    concat(hex("42010149ca4f"), new Uint8Array(10_200).fill(0xa1)),
    concat(hex("42010149ca4f"), hex("b90200"), new Uint8Array(10_180).fill(0x60)),
    concat(hex("0aca4f"), new Uint8Array(10_200).fill(0x80)),
    new Uint8Array(10_240).fill(0x80),
    new Uint8Array(10_240).fill(0xff),
  ];
  for (const bytes of worst) {
    const durations = [1, 2, 3, 4, 5].map(() => {
      const start = performance.now();
      expect(tryOnly(() => restoreRecord(bytes, name))).toBeUndefined();
      return performance.now() - start;
    });
    expect(Math.min(...durations)).toBeLessThan(5);
  }
});
