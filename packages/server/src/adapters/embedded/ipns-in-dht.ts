import {
  compareRecords,
  decodeRecord,
  type IpnsRecord,
  ipnsNameOfRoutingKey,
  validateRecord,
  type VerifySignature,
} from "@holdfast/core";
import type { SelectFn, ValidateFn } from "@libp2p/kad-dht";

/**
 * kad-dht's own packages accept records that the specification refuses, and without a validator every get fails.
 * This one throws unless the record is one that we would store.
 */
export function ipnsValidator(verifySignature: VerifySignature): ValidateFn {
  return async (routingKey, record) => {
    await validateRecord(record, ipnsNameOfRoutingKey(routingKey), { nowMs: Date.now(), verifySignature });
  };
}

/** The index of the best of validated records. */
export const ipnsSelector: SelectFn = (_routingKey, records) => {
  let bestIndex = 0;
  let best: IpnsRecord | undefined;
  for (const [index, bytes] of records.entries()) {
    const record = decodeRecord(bytes);
    if (best !== undefined && compareRecords(record, best) <= 0) continue;
    best = record;
    bestIndex = index;
  }
  return bestIndex;
};
