import { type IpnsName, recordProblemOf } from "@holdfast/core";
import type { Logger } from "../../telemetry/logger.ts";
import type { PutResult, StoredRecord } from "../record-store.ts";
import type { RouterVerdict } from "./router-health.ts";

/** What became of one answer of a router. */
export interface JudgedCandidate {
  /** `unjudged`: we were too busy to check it. */
  readonly verdict: Exclude<RouterVerdict, "nothing"> | "unjudged";
  /** What is held afterwards, when the candidate was valid. */
  readonly stored?: StoredRecord;
}

/** Takes an answer in by the door that every record comes through, and says what that tells about who gave it. */
export async function judgeCandidate(
  parts: {
    readonly publish: (name: IpnsName, candidate: Uint8Array) => Promise<PutResult>;
    readonly logger: Logger;
  },
  name: IpnsName,
  candidate: Uint8Array,
): Promise<JudgedCandidate> {
  try {
    const { outcome, current } = await parts.publish(name, candidate);
    return { verdict: outcome === "superseded" ? "older" : "found", stored: current };
  } catch (err) {
    parts.logger.debug({ err, name: name.text }, "candidate from the network refused");
    const problem = recordProblemOf(err);
    if (problem === undefined) return { verdict: "unjudged" };
    return { verdict: problem === "EXPIRED" ? "expired" : "invalid" };
  }
}
