import { type ErrorCode, HoldfastError, isHoldfastError, parseCid } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE, isBlockOf, isHashSupported } from "../../content/block-hash.ts";
import { SUBMITTED_BLOCK_BYTES_MAX } from "../../content/dag-block-limits.ts";
import type { Pins } from "../../pins/pins.ts";
import { systemClock } from "../../telemetry/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { ByteBudget, readRawBody } from "../raw-body.ts";
import { errorToResponse, STATUS_BY_CODE } from "../error-to-response.ts";
import { queryText } from "../request-facts.ts";
import {
  createWriteDoor,
  DEFAULT_WRITE_LIMITS,
  type OpenWrite,
  type WriteLimits,
  type WriteParts,
} from "./add-parts.ts";

/** For the bodies of all submits under way: each is in memory as a whole before it can be hashed. */
const BODIES_BYTES_MAX = 8 * SUBMITTED_BLOCK_BYTES_MAX;

export interface SidecarSubmitParts extends Omit<WriteParts, "pins"> {
  readonly pins: Pick<Pins, "add" | "isPinned">;
  readonly held: { isHeld(cid: CID): Promise<boolean> };
  readonly metrics: Pick<Metrics, "sidecar">;
}

export interface SidecarSubmitLimits extends Pick<WriteLimits, "uploadsMax" | "stallMsMax"> {
  readonly bodiesBytesMax: number;
}

/**
 * `accepted`: new here. `already_present`: it was held, but the backend had not confirmed a pin of it (R20).
 * `already_confirmed`: it had. After each of them it is in the vault, and has a pin.
 */
type Outcome = "accepted" | "already_present" | "already_confirmed";

const DETAIL_BY_OUTCOME: Readonly<Record<Outcome, string>> = {
  accepted: "stored, and to be pinned",
  already_present: "was held here, is to be pinned",
  already_confirmed: "is pinned",
};

/** The words of the reference system; other refusals are called by their code. */
const REFUSAL_BY_CODE: Readonly<Partial<Record<ErrorCode, string>>> = {
  INVALID_CID: "invalid",
  INVALID_ARGUMENT: "invalid",
  BODY_TOO_LARGE: "too_large",
  OVERLOADED: "cache_full",
};

/**
 * `POST /sidecar/submit?cid=`: the body is the block of this CID. 200 only when it is durable in the vault with a pin as one
 * block (what it links to may never come): it stays there until the backend has confirmed that. Every answer is `{ok,outcome,detail,cid,bytes}`.
 *
 * @see protocols.md §0 "sidecar/submit"
 */
export function sidecarSubmitRoute(parts: SidecarSubmitParts, limits: Partial<SidecarSubmitLimits> = {}) {
  const { uploadsMax, stallMsMax } = { ...DEFAULT_WRITE_LIMITS, ...limits };
  const bodies = new ByteBudget({ bytesMax: limits.bodiesBytesMax ?? BODIES_BYTES_MAX });
  const enter = createWriteDoor(parts, { uploadsMax });
  return (app: FastifyInstance): void => {
    app.post("/sidecar/submit", async (request, reply) => {
      try {
        return await enter(request, async (open) => {
          const cid = submittedCid(request);
          const bytesMax = SUBMITTED_BLOCK_BYTES_MAX;
          using body = await readRawBody(request.raw, { bytesMax, stallMsMax, budget: bodies });
          const outcome = await submit(open, cid, body.bytes);
          return sendResult(reply, {
            ok: true,
            outcome,
            detail: DETAIL_BY_OUTCOME[outcome],
            cid: cidText(request),
            bytes: body.bytes.byteLength,
          });
        });
      } catch (err) {
        return sendRefusal(parts, err, request, reply);
      }
    });
  };
}

function cidText(request: FastifyRequest): string {
  return (queryText(request, "cid") ?? "").trim();
}

/** Before the body is read: what can never match is not waited for. */
function submittedCid(request: FastifyRequest): CID {
  const text = cidText(request);
  if (text === "") throw new HoldfastError("INVALID_ARGUMENT", 'the parameter "cid" is required');
  const cid = parseCid(text);
  if (cid.multihash.code === IDENTITY_CODE) {
    throw new HoldfastError("INVALID_CID", "this CID carries its block itself, there is nothing to submit");
  }
  if (!isHashSupported(cid)) {
    throw new HoldfastError(
      "INVALID_CID",
      `blocks with the hash function 0x${cid.multihash.code.toString(16)} cannot be verified here`,
    );
  }
  return cid;
}

async function submit(
  { vault, pins, held, metrics, onAdded }: OpenWrite<SidecarSubmitParts>,
  cid: CID,
  bytes: Uint8Array,
): Promise<Outcome> {
  // Before anything else (R19): from here on the bytes are the block, whoever sent them.
  if (!isBlockOf(cid, bytes))
    throw new HoldfastError("INVALID_ARGUMENT", "the body does not hash to this CID");
  const isConfirmed = await pins.isPinned(cid);
  const outcome = isConfirmed
    ? "already_confirmed"
    : (await held.isHeld(cid))
      ? "already_present"
      : "accepted";
  // Always: `has` goes by the name only, a corrupt copy is repaired here, and a cache keeps nothing (R20).
  await vault.put([{ cid, bytes }]);
  const claim = { source: "sidecar", holder: "", name: undefined, createdAtMs: systemClock.nowMs() } as const;
  const blockBytes = bytes.byteLength;
  await pins.add([{ root: cid, recursive: false, claim, isStored: true, blockBytes }]);
  if (outcome === "accepted") metrics.sidecar.submitsAccepted++;
  else metrics.sidecar.submitsKnown++;
  if (outcome !== "already_confirmed") onAdded?.({ roots: [cid], cids: [cid], isPinned: true });
  return outcome;
}

function sendRefusal(
  { metrics }: Pick<SidecarSubmitParts, "metrics">,
  err: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (!isHoldfastError(err)) throw err;
  if (err.code === "BODY_TOO_LARGE") metrics.sidecar.submitsTooLarge++;
  else if (err.code === "OVERLOADED") metrics.sidecar.submitsOverloaded++;
  else if (STATUS_BY_CODE[err.code] === 400) metrics.sidecar.submitsInvalid++;
  const { headers: replyHeaders } = errorToResponse(err, {
    url: request.url,
    accept: undefined,
    requestId: request.id,
  });
  // The length and type are those of the text that is not sent.
  const { "Content-Length": _length, "Content-Type": _type, ...headers } = replyHeaders;
  return sendResult(reply.code(STATUS_BY_CODE[err.code]).headers(headers), {
    ok: false,
    outcome: REFUSAL_BY_CODE[err.code] ?? err.code.toLowerCase(),
    detail: err.message,
    cid: cidText(request),
    bytes: 0,
  });
}

interface SubmitResult {
  readonly ok: boolean;
  readonly outcome: string;
  readonly detail: string;
  /** As the client wrote it. */
  readonly cid: string;
  /** Of the block that is stored now. */
  readonly bytes: number;
}

function sendResult(reply: FastifyReply, result: SubmitResult): FastifyReply {
  reply.header("Content-Type", "application/json").header("Cache-Control", "no-store");
  return reply.send(Buffer.from(JSON.stringify(result)));
}
