import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EVENT_BYTES_MAX, parseNostrEvent, wireEventOf } from "@holdfast/core";
import fc from "fast-check";
import { finalizeEvent, getPublicKey, verifyEvent } from "nostr-tools/pure";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { anyCharacter } from "../../../../core/test/support/any-character.ts";
import { createLogger } from "../../telemetry/logger.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { loadNostrSecret } from "./nostr-identity.ts";
import { loadNostr, type NostrKeys } from "./nostr-keys.ts";
import { SignatureVerifier } from "./signature-verifier.ts";

const SECRET = new Uint8Array(32).fill(7);
const TEMPLATE = { kind: 30_078, createdAtS: 1_737_749_000, tags: [["d", "ipfs-pin"]], content: "{}" };
/** protocols.md §6.1, secret key 0x…03. */
const GOLDEN = {
  id: "968ba6565a82eb90970dcea83917df1ab5b5f836909b6c66ce0f0c6a7ea7e51b",
  pubkey: "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
  created_at: 1_737_749_000,
  kind: 30_078,
  tags: [
    ["d", "ipfs-pin"],
    ["cid", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"],
    ["ipns", "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w"],
  ],
  content: '{"source":"node-name","timestamp":1737749000}',
  sig: "6265e52832eac06f2f6291fc3f54c1f22cff5aa398ed766c8d781264297e24bdc50a1d5cc652657a2020ae08e3cab209a3ea68ce23f74294568f1b92745d1ebc",
};

let keys: NostrKeys;
beforeAll(async () => {
  keys = await loadNostr();
});

test("the golden event is signed; changed in any field it is not", () => {
  expect(keys.isSigned(parseNostrEvent(GOLDEN))).toBe(true);
  const changes = [
    { content: "{}" },
    { kind: 78 },
    { created_at: 1_737_749_001 },
    { tags: [] },
    { id: "0".repeat(64) },
    { pubkey: "0".repeat(64) },
    { sig: "0".repeat(128) },
    { sig: "f".repeat(128) },
  ];
  for (const change of changes) expect(keys.isSigned(parseNostrEvent({ ...GOLDEN, ...change }))).toBe(false);
});

test("we and another library agree about every event that either of us signs", () => {
  const text = fc.string({ unit: anyCharacter, maxLength: 40 });
  const tag = fc.array(text, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(tag, { maxLength: 4 }), text, (tags, content) => {
      const ours = wireEventOf(keys.signer(SECRET).sign({ ...TEMPLATE, tags, content }));
      expect(verifyEvent(JSON.parse(JSON.stringify(ours)))).toBe(true);
      const theirs = finalizeEvent({ kind: 78, created_at: 1, tags, content }, SECRET);
      expect(keys.isSigned(parseNostrEvent(JSON.parse(JSON.stringify(theirs))))).toBe(true);
    }),
    { numRuns: 40, seed: 20_261_126 },
  );
}, 60_000);

test("the largest event is checked as well, and what does not fit is not signed", () => {
  const event = keys.signer(SECRET).sign({ ...TEMPLATE, content: "é".repeat(EVENT_BYTES_MAX - 100) });
  expect(keys.isSigned(event)).toBe(true);
  expect(keys.isSigned({ ...event, content: "\u0001".repeat(4_000_000) })).toBe(false);
  expect(keys.isSigned(event)).toBe(true);
});

test("numbers that are no key are refused", () => {
  const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
  for (const secret of [new Uint8Array(32), new Uint8Array(31).fill(1), Buffer.from(order, "hex")]) {
    expect(() => keys.signer(secret)).toThrow("not a Nostr private key");
  }
  expect(keys.signer(SECRET).pubkey).toBe(getPublicKey(SECRET));
});

test("events are checked on the thread, beside other signatures", async () => {
  const metrics = new Metrics();
  await using verifier = SignatureVerifier.start({ logger: createLogger("silent"), metrics });
  const good = parseNostrEvent(GOLDEN);
  const verdicts = await Promise.all(
    [good, { ...good, content: "" }, good].map((event) => verifier.checkEvent(event)),
  );
  expect(verdicts).toEqual([true, false, true]);
  expect(metrics.signatures).toMatchObject({ verified: 2, rejected: 1 });
});

describe("the key in the data folder", () => {
  async function temporaryFile(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-nostr-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return join(folder, "new", "nostr-key");
  }

  test("R30: is made once, can be read by its owner only, and is the same at each start", async () => {
    const file = await temporaryFile();
    const secret = await loadNostrSecret(file);
    expect(secret).toHaveLength(32);
    expect(Buffer.from(await loadNostrSecret(file))).toEqual(Buffer.from(secret));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).toBe(`${Buffer.from(secret).toString("hex")}\n`);
  });

  test("is never replaced when it is damaged", async () => {
    const file = await temporaryFile();
    await loadNostrSecret(file);
    await writeFile(file, "damaged");
    await expect(loadNostrSecret(file)).rejects.toThrow("does not hold a key");
    expect(await readFile(file, "utf8")).toBe("damaged");
  });
});
