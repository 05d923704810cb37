import { HoldfastError, type IpnsRecord } from "@holdfast/core";

/** What a put expects to find in its place: a record of that sequence, any valid record, or none. */
export type ExpectedSequence = bigint | "any" | "none";

/**
 * Whether what is stored is what a put expects. Every store decides by this, inside its transaction. A record that has expired
 * is never given to anybody, so for `any` and `none` it is absent; its sequence is still the last one that its owner knows of.
 */
export function isAsExpected(
  expected: ExpectedSequence,
  stored: IpnsRecord | undefined,
  nowMs: number,
): boolean {
  if (typeof expected === "bigint") return stored?.sequence === expected;
  const isValid = stored !== undefined && nowMs <= stored.eolMs;
  return isValid === (expected === "any");
}

/**
 * The refusal of a put that expected something else. `details` has the `sequence` of what is stored and, unless that has expired,
 * its bytes in base64 as `extra`.
 */
export function sequenceConflict(stored: IpnsRecord | undefined, nowMs: number): HoldfastError {
  if (stored === undefined) {
    return new HoldfastError("SEQUENCE_CONFLICT", "precondition failed: no record is stored");
  }
  const { sequence, bytes, eolMs } = stored;
  const hasExpired = nowMs > eolMs;
  const which = hasExpired ? "the last record, which has expired, has" : "the stored record has";
  return new HoldfastError("SEQUENCE_CONFLICT", `precondition failed: ${which} sequence ${sequence}`, {
    details: {
      sequence,
      ...(hasExpired ? {} : { extra: Buffer.from(bytes).toString("base64") }),
      headers: { "X-IPNS-Sequence": sequence.toString() },
    },
  });
}
