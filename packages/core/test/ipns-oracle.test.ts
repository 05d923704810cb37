import { generateKeyPair, publicKeyToProtobuf } from "@libp2p/crypto/keys";
import { encode } from "cborg";
import fc from "fast-check";
import {
  createIPNSRecord,
  createIPNSRecordWithExpiration,
  marshalIPNSRecord,
  unmarshalIPNSRecord,
} from "ipns";
import { ipnsValidator } from "ipns/validator";
import { base36 } from "multiformats/bases/base36";
import { describe, expect, test } from "vitest";
import { createRecord } from "../src/ipns/create-record.ts";
import { ipnsNameOfPublicKey } from "../src/ipns/name.ts";
import type { IpnsName } from "../src/ipns/name.ts";
import { decodePublicKey } from "../src/ipns/public-key.ts";
import { recordProblemOf } from "../src/ipns/record-problem.ts";
import { contentPathOf, decodeRecord } from "../src/ipns/record.ts";
import { validateRecord } from "../src/ipns/validate.ts";
import { generateKey, seedOf, verifySignature } from "./support/keys.ts";
import { SeededRandom, mutate } from "./support/random.ts";
import { dataOf, encodeRaw, signRaw, utf8 } from "./support/raw-record.ts";
import type { RawField } from "./support/raw-record.ts";
import { vector } from "./support/vectors.ts";

// The package `ipns` 10.1.6 is another implementation, made by other people: what it makes must be valid here, what we
// make must be valid there, and where the two judge differently ours must be the stricter one, but for known cases.

// ECDSA is left out: @libp2p/crypto inlines such keys into the name and does not write them as the specification and
// Go do, so its ECDSA names exist nowhere else.
const LIBP2P_TYPES = ["Ed25519", "RSA", "secp256k1"] as const;

async function libp2pKey(type: (typeof LIBP2P_TYPES)[number]) {
  const privateKey = await generateKeyPair(type as "Ed25519");
  const publicKey = decodePublicKey(publicKeyToProtobuf(privateKey.publicKey));
  return { privateKey, publicKey, name: ipnsNameOfPublicKey(publicKey) };
}

async function accepts(bytes: Uint8Array, name: IpnsName): Promise<{ ours: boolean; theirs: boolean }> {
  const ours = await validateRecord(bytes, name, { nowMs: Date.now(), verifySignature }).then(
    () => true,
    (err: unknown) => {
      expect(recordProblemOf(err)).toBeDefined();
      return false;
    },
  );
  const theirs = await ipnsValidator(name.routingKey, bytes).then(
    () => true,
    () => false,
  );
  return { ours, theirs };
}

describe.each(LIBP2P_TYPES)("%s keys of libp2p", (type) => {
  test("name the same, in both directions", async () => {
    const { privateKey, name } = await libp2pKey(type);
    expect(name.multihash).toEqual(privateKey.publicKey.toMultihash().bytes);
    expect(name.text).toBe(privateKey.publicKey.toCID().toString(base36));
  });

  test("sign records here that are valid there", async () => {
    const { privateKey, publicKey, name } = await libp2pKey(type);
    for (const v1Compatible of [true, false]) {
      for (const ttlNs of [0n, 300_000_000_000n, 2n ** 63n - 1n]) {
        const bytes = await createRecord(
          {
            value: "/ipfs/bafkqaaa/a",
            sequence: 7n,
            eolMs: Date.UTC(2120, 0, 1),
            ttlNs,
            v1Compatible,
            publicKey,
          },
          async (message) => privateKey.sign(message),
        );
        expect(await accepts(bytes, name)).toEqual({ ours: true, theirs: true });
        const theirs = unmarshalIPNSRecord(bytes);
        expect([theirs.value, theirs.sequence, theirs.ttl]).toEqual(["/ipfs/bafkqaaa/a", 7n, ttlNs]);
        // They encode what they decoded to the very same bytes.
        expect(Buffer.compare(marshalIPNSRecord(theirs), bytes)).toBe(0);
      }
    }
  });

  test("sign records there that are valid here", async () => {
    const { privateKey, name } = await libp2pKey(type);
    for (const v1Compatible of [true, false]) {
      for (const lifetimeMs of [60_000, 48 * 3_600_000, 99 * 365.25 * 86_400_000]) {
        const record = await createIPNSRecord(privateKey, "/ipfs/bafkqaaa", 0, lifetimeMs, { v1Compatible });
        const bytes = marshalIPNSRecord(record);
        expect(await accepts(bytes, name)).toEqual({ ours: true, theirs: true });
        const ours = decodeRecord(bytes);
        expect(contentPathOf(ours)).toBe("/ipfs/bafkqaaa");
        expect([ours.sequence, ours.ttlNs, ours.validity]).toEqual([0n, 300_000_000_000n, record.validity]);
      }
    }
  });
});

test("both make the same bytes of the same content", async () => {
  const { privateKey, publicKey } = await libp2pKey("Ed25519");
  await fc.assert(
    fc.asyncProperty(
      fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2200, 0, 1) }),
      fc.boolean(),
      async (sequence, ttlNs, eolMs, v1Compatible) => {
        const validity = new Date(eolMs).toISOString().replace("Z", "000000Z");
        const options = { ttlNs: ttlNs as unknown as number, v1Compatible };
        const theirs = await createIPNSRecordWithExpiration(
          privateKey,
          "/ipfs/bafkqaaa",
          sequence,
          validity,
          options,
        );
        const ours = await createRecord(
          { value: "/ipfs/bafkqaaa", sequence, eolMs, ttlNs, v1Compatible, publicKey },
          async (message) => privateKey.sign(message),
        );
        expect(Buffer.from(ours).toString("hex")).toBe(
          Buffer.from(marshalIPNSRecord(theirs)).toString("hex"),
        );
      },
    ),
    { numRuns: 50, seed: 20_261_126 },
  );
});

describe("what is accepted here is accepted there", () => {
  const key = generateKey("Ed25519", seedOf(7));

  test("thousands of damaged records", async () => {
    const random = new SeededRandom(17);
    const letters = "ABCDEOQVW".split("");
    let accepted = 0;
    for (let i = 0; i < 3_000; i++) {
      const bytes = mutate(random, vector(random.pick(letters)), vector(random.pick(letters)));
      const { ours, theirs } = await accepts(bytes, key.name);
      expect(theirs || !ours).toBe(true);
      accepted += Number(ours);
    }
    expect(accepted).toBeGreaterThan(15);
  }, 60_000);

  test("thousands of properly signed records with odd content", async () => {
    const random = new SeededRandom(18);
    const counts = { both: 0, oursOnly: 0, theirsOnly: 0, neither: 0 };
    for (let i = 0; i < 2_000; i++) {
      const data = oddData(random);
      const bytes = encodeRaw(oddEnvelope(random, signRaw(key, data), data));
      const { ours, theirs } = await accepts(bytes, key.name);
      counts[ours ? (theirs ? "both" : "oursOnly") : theirs ? "theirsOnly" : "neither"]++;
      if (!ours || theirs) continue;
      // They cannot read a value that is neither a path nor a CID. boxo accepts such a record, and so do we.
      const value = Buffer.from(decodeRecord(bytes).value).toString("latin1");
      expect(["", "nonsense"]).toContain(value);
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(20);
  }, 60_000);
});

/** The keys of a record, some of them wrong. */
function oddData(random: SeededRandom): Record<string, unknown> {
  const data = dataOf();
  for (let i = random.below(3); i > 0; i--) {
    const choices: [string, unknown][] = [
      ["Value", random.pick([utf8("/ipns/a"), utf8(""), utf8("nonsense"), "text", 5, undefined])],
      ["Sequence", random.pick([0, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, -1, 1.5, "5", undefined])],
      ["TTL", random.pick([0, 2n ** 63n - 1n, 2n ** 63n, -5, "60", undefined])],
      ["ValidityType", random.pick([0, 1, -1, undefined])],
      [
        "Validity",
        random.pick([
          utf8("2120-06-01T00:00:00Z"),
          utf8("2120-06-01T00:00:00+02:00"),
          utf8("2020-01-01T00:00:00Z"),
          utf8("2120-06-01 00:00:00Z"),
          utf8("tomorrow"),
          undefined,
        ]),
      ],
      ["_note", random.pick(["x", 5, true, null, utf8("x"), [1]])],
    ];
    const [field, value] = random.pick(choices);
    data[field] = value;
  }
  return data;
}

/** V1 copies, an embedded key or foreign fields, some of them wrong. */
function oddEnvelope(
  random: SeededRandom,
  signed: readonly RawField[],
  data: Record<string, unknown>,
): RawField[] {
  const { publicKey } = generateKey("Ed25519", seedOf(random.pick([7, 7, 8])));
  const v1: RawField[] = [
    [1, data["Value"] instanceof Uint8Array ? data["Value"] : utf8("/ipfs/bafkqaaa")],
    [2, random.bytes(64)],
    [3, 0n],
    [4, data["Validity"] instanceof Uint8Array ? data["Validity"] : utf8("x")],
    [
      5,
      BigInt.asUintN(
        64,
        BigInt(
          Number.isInteger(data["Sequence"]) || typeof data["Sequence"] === "bigint"
            ? (data["Sequence"] as number)
            : 5,
        ),
      ),
    ],
    [
      6,
      BigInt.asUintN(
        64,
        BigInt(typeof data["TTL"] === "bigint" || typeof data["TTL"] === "number" ? data["TTL"] : 0),
      ),
    ],
  ];
  switch (random.below(6)) {
    case 0:
      return [...v1, ...signed];
    case 1:
      return [...v1.filter(() => random.below(6) > 0), ...signed];
    case 2:
      return [[7, publicKey.protobuf], ...signed];
    case 3:
      return [...signed, [10, encode("foreign")]];
    default:
      return [...signed];
  }
}
