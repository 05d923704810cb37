import {
  createRecord,
  type IpnsName,
  type KeyType,
  type PublicKey,
  type ValidatedRecord,
  validateRecord,
} from "@holdfast/core";
import { generateIpnsKey } from "../../src/adapters/crypto/keys.ts";
import { verifySignature } from "../../src/adapters/crypto/verify-signature.ts";

export interface TestKey {
  readonly name: IpnsName;
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Uint8Array;
}

export interface RecordFacts {
  /** Bytes are signed as they are, also when they are no content path. */
  readonly value?: string | Uint8Array;
  readonly sequence?: bigint;
  readonly eolMs?: number;
  readonly ttlNs?: bigint;
  readonly v1Compatible?: boolean;
}

export const TEST_VALUE = "/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const LIFETIME_MS = 48 * 3_600_000;

/** A new key and the name that it owns. */
export function createTestName(type: KeyType = "Ed25519"): TestKey {
  return generateIpnsKey(type);
}

/** The bytes of a signed record: sequence 1, an EOL in two days and a TTL of a minute unless said otherwise. */
export function makeRecord(key: TestKey, facts: RecordFacts = {}): Promise<Uint8Array> {
  const {
    value = TEST_VALUE,
    sequence = 1n,
    eolMs = Date.now() + LIFETIME_MS,
    ttlNs = 60_000_000_000n,
  } = facts;
  return createRecord(
    {
      value,
      sequence,
      eolMs,
      ttlNs,
      v1Compatible: facts.v1Compatible ?? true,
      ...(key.name.publicKey === undefined ? { publicKey: key.publicKey } : {}),
    },
    (message) => key.sign(message),
  );
}

/** The same as a value that a store accepts. Valid at `nowMs`, which is before its EOL unless said otherwise. */
export async function makeValidatedRecord(
  key: TestKey,
  facts: RecordFacts & { readonly nowMs?: number } = {},
): Promise<ValidatedRecord> {
  const bytes = await makeRecord(key, facts);
  const nowMs = facts.nowMs ?? Math.min(Date.now(), facts.eolMs ?? Number.POSITIVE_INFINITY);
  return validateRecord(bytes, key.name, { nowMs, verifySignature });
}
