import { HoldfastError, type IpnsName } from "@holdfast/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Reached } from "../records/keep-alive/arrivals.ts";
import type { KeepAlive } from "../records/keep-alive/keep-alive.ts";
import { closeSignal, queryText } from "./request-facts.ts";

/** What a put is answered after: `stored` here, or also `routed`: confirmed by a network, within a bound. */
export type AckLevel = "stored" | "routed";

/** What the answer to a put says of it. */
export interface Ack extends Reached {
  /** The level that was reached: a record that no network has confirmed in time is stored all the same. */
  readonly level: AckLevel;
}

export interface AckParts {
  /** Absent: there is no network. */
  readonly arrivals?: Pick<KeepAlive, "arrival" | "endWaits"> | undefined;
  readonly ackWaitMs?: number | undefined;
}

const ACK_WAIT_MS = 30_000;

/** The level that the client asks for by `ack` or `X-Holdfast-Ack`. @throws HoldfastError `INVALID_ARGUMENT` */
export function ackLevelOf(request: FastifyRequest): AckLevel {
  const header = request.headers["x-holdfast-ack"];
  const ack = queryText(request, "ack") ?? (Array.isArray(header) ? header[0] : header) ?? "stored";
  if (ack === "stored" || ack === "") return "stored";
  if (ack === "routed") return "routed";
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    /^peers=\d{1,4}$/.test(ack)
      ? `ack=${ack} is not offered yet; ack=stored and ack=routed are`
      : "ack is not one of stored, routed, peers=N",
  );
}

/**
 * Waits for what the client asked for, for at most 30 s and not longer than the node takes requests, and says in the headers what was reached.
 *
 * @returns undefined for `stored`, which the answer needs no word of.
 */
export async function acknowledge(
  { arrivals, ackWaitMs = ACK_WAIT_MS }: AckParts,
  name: IpnsName,
  { level, reply }: { readonly level: AckLevel; readonly reply: FastifyReply },
): Promise<Ack | undefined> {
  if (level === "stored") return undefined;
  const options = { waitMs: ackWaitMs, signal: closeSignal(reply.raw) };
  const { reached, missing } = (await arrivals?.arrival(name, options)) ?? { reached: [], missing: [] };
  const ack: Ack = { level: reached.length > 0 ? "routed" : "stored", reached, missing };
  reply.header("X-Holdfast-Ack", ack.level);
  if (reached.length > 0) reply.header("X-Holdfast-Reached", reached.join(", "));
  return ack;
}
