import { HoldfastError, type IpnsName } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { PutResult, StoredRecord } from "../records/record-store.ts";
import type { Records } from "../records/records.ts";
import type { Limits } from "./limits.ts";
import { expectedSequenceIn } from "./put-precondition.ts";
import { readRecordBody } from "./record-body.ts";
import type { WritePolicy } from "./write-policy.ts";

export interface PutRecordParts {
  readonly records: Pick<Records, "publish">;
  readonly limits: Limits;
  readonly writePolicy: WritePolicy;
}

/**
 * What every route that takes a record does: may this client write, is it within its rates, is this one record, does the
 * node take it. The first two are answered before the body is read. Settles when the record is durable.
 *
 * @throws HoldfastError `WRITES_CLOSED`, `UNAUTHORIZED`, `RATE_LIMITED`, what {@link readRecordBody} throws, `RECORD_INVALID`,
 *   `RECORD_SUPERSEDED` and `SEQUENCE_CONFLICT` (`details.sequence`, `details.extra` of the record that stays), `OVERLOADED`,
 *   `STORE_FAILED`.
 */
export async function putRecord(
  parts: PutRecordParts,
  request: FastifyRequest,
  name: IpnsName,
): Promise<StoredRecord> {
  const { records, limits, writePolicy } = parts;
  writePolicy.assertMayWrite(request.headers.authorization);
  const expected = expectedSequenceIn(request);
  limits.admitRecordWrite(request.raw, name);
  const recordBytes = await readRecordBody(request.raw);
  const result = await records.publish(name, recordBytes, { origin: "client", expected });
  if (result.outcome === "stored") limits.chargeRecordWrite(name);
  return currentOf(result);
}

/** What is stored now, if the put was not in vain. */
export function currentOf({ outcome, current }: PutResult): StoredRecord {
  if (outcome !== "superseded") return current;
  const { sequence, bytes } = current.record;
  throw new HoldfastError(
    "RECORD_SUPERSEDED",
    `rejecting IPNS record: the record with sequence ${sequence} wins and stays`,
    {
      details: { sequence, extra: Buffer.from(bytes).toString("base64") },
    },
  );
}
