import { HoldfastError, isHoldfastError, parseCid } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { PinState } from "../../pins/pin.ts";
import type { Pins, PinView } from "../../pins/pins.ts";
import { sendJsonLine } from "../json-line.ts";
import { closeSignal, queryText } from "../request-facts.ts";

export interface PinStatusParts {
  readonly pins: Pick<Pins, "isPinned" | "view" | "waitFor">;
}

const WAIT_S_DEFAULT = 30;
const WAIT_S_MAX = 120;
const WAITED_FOR: readonly PinState[] = ["stored", "pinned", "provided"];

/**
 * `GET /pin-status?cid=`: 200 with `{pinned,cid}`, and `pinned_at` (ISO 8601) and `source` when the backend has confirmed a
 * pin, from whatever source (R31). For every root that somebody wants kept also `state`, `attempts`, and `problem` if there is
 * one. With `wait=stored|pinned|provided` the answer comes when that is reached, the pin is dead, or after `timeout` seconds.
 * 400 `{error}` for what is no CID. Reads two keys.
 */
export function pinStatusRoute({ pins }: PinStatusParts) {
  return (app: FastifyInstance): void => {
    app.get("/pin-status", async (request, reply) => {
      reply.header("Cache-Control", "no-store");
      const text = (queryText(request, "cid") ?? "").trim();
      const asked = askedOrRefusal(text, request);
      if (asked instanceof HoldfastError) return sendRefusal(asked, request, reply);
      if (asked.wait !== undefined) await waitFor(pins, asked.cid, asked.wait, closeSignal(reply.raw));
      const isPinned = await pins.isPinned(asked.cid);
      return sendJsonLine(reply, {
        pinned: isPinned,
        cid: text,
        ...factsOf(pins.view(asked.cid), isPinned),
      });
    });
  };
}

interface Wait {
  readonly state: PinState;
  readonly timeoutMs: number;
}

interface Asked {
  readonly cid: CID;
  readonly wait: Wait | undefined;
}

/** Settles when there is nothing more to wait for, or no more time. @throws HoldfastError `OVERLOADED`. */
async function waitFor(
  pins: PinStatusParts["pins"],
  cid: CID,
  { state, timeoutMs }: Wait,
  closed: AbortSignal,
): Promise<void> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    await pins.waitFor(cid, state, { signal: AbortSignal.any([closed, timeout]) });
  } catch (err) {
    // Then the answer says how far it is.
    if (!timeout.aborted) throw err;
  }
}

function factsOf(view: PinView | undefined, isPinned: boolean): Readonly<Record<string, unknown>> {
  if (view === undefined) return {};
  const { pin, stage } = view;
  const { pinnedAtMs, attempts, problem, claim } = pin;
  const facts = { source: claim.source, attempts, ...(problem === undefined ? {} : { problem }) };
  const isConfirmed = stage === "pinned" || stage === "provided";
  if (isConfirmed && !isPinned)
    return { ...facts, state: "failed", problem: "its root has gone from the vault" };
  if (!isPinned || pinnedAtMs === undefined) return { ...facts, state: stage };
  return { ...facts, state: stage, pinned_at: new Date(pinnedAtMs).toISOString() };
}

function askedOrRefusal(text: string, request: FastifyRequest): Asked | HoldfastError {
  if (text === "") return new HoldfastError("INVALID_ARGUMENT", "Missing cid parameter");
  try {
    return { cid: parseCid(text), wait: waitOf(request) };
  } catch (err) {
    if (isHoldfastError(err)) return err;
    throw err;
  }
}

function waitOf(request: FastifyRequest): Wait | undefined {
  const text = queryText(request, "wait");
  if (text === undefined) return undefined;
  const state = WAITED_FOR.find((candidate) => candidate === text);
  if (state === undefined) {
    throw new HoldfastError("INVALID_ARGUMENT", `"wait" is not one of ${WAITED_FOR.join(", ")}`);
  }
  const timeoutText = queryText(request, "timeout") ?? String(WAIT_S_DEFAULT);
  if (!/^\d{1,3}$/.test(timeoutText) || Number(timeoutText) > WAIT_S_MAX) {
    throw new HoldfastError("INVALID_ARGUMENT", `"timeout" is not a number of seconds up to ${WAIT_S_MAX}`);
  }
  return { state, timeoutMs: Number(timeoutText) * 1000 };
}

function sendRefusal(err: HoldfastError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendJsonLine(reply.code(400).header("X-Request-Id", request.id), { error: err.message });
}
