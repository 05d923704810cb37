import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance } from "fastify";
import type { CID } from "multiformats/cid";
import type { PinClaim } from "../../pins/pin.ts";
import { pinKeyOf } from "../../pins/pin-key.ts";
import type { Pins } from "../../pins/pins.ts";
import { sendJsonLine } from "../json-line.ts";
import { queryFlag } from "../request-facts.ts";
import { type PinAddParts, pinsForm, untilPinned, waitOf, wish } from "./pin-add.ts";
import { pinArgs, resolvePinArg } from "./pin-arg.ts";

export interface PinUpdateParts extends PinAddParts {
  readonly pins: PinAddParts["pins"] & Pick<Pins, "get" | "claim" | "release">;
}

/**
 * `POST /api/v0/pin/update?arg={from}&arg={to}`: pins the new root, and lets go of the old one when that is done. With
 * `unpin=true`, the default, only for who pinned the old root with the same token: where anybody may write, nobody's pins may be
 * ended by a write.
 *
 * @see protocols.md §2.3
 */
export function pinUpdateRoute(parts: PinUpdateParts) {
  const { pins, writePolicy } = parts;
  return (app: FastifyInstance): void => {
    app.post("/api/v0/pin/update", async (request, reply) => {
      const { authorization } = request.headers;
      writePolicy.assertMayWrite(authorization);
      const [fromArg = "", toArg, ...others] = pinArgs(request);
      if (toArg === undefined) {
        throw new HoldfastError(
          "INVALID_ARGUMENT",
          `argument "${fromArg === "" ? "from" : "to"}-path" is required`,
        );
      }
      if (others.length > 0) throw new HoldfastError("INVALID_ARGUMENT", "more than two arguments");
      const isUnpinned = queryFlag(request, "unpin", true);
      const wait = waitOf(request, reply);
      const from = await resolvePinArg(fromArg, parts, wait);
      const to = await resolvePinArg(toArg, parts, wait);
      assertHeld(pins, from);
      // Both versions of a CID are one pin: its end would be that of the new one.
      const isOther = pinKeyOf(from) !== pinKeyOf(to);
      const claim = isUnpinned && isOther ? ownClaim(parts, from, authorization) : undefined;
      await wish(parts, request, { roots: [to], recursive: true, name: claim?.name });
      await untilPinned(parts, [to], wait);
      if (claim !== undefined) await pins.release(from, claim);
      return sendJsonLine(reply.header("Cache-Control", "no-store"), pinsForm([from, to]));
    });
  };
}

function assertHeld(pins: Pick<Pins, "get">, from: CID): void {
  const pin = pins.get(from);
  const isHeld = pin?.recursive === true && (pin.state === "pinned" || pin.state === "provided");
  if (!isHeld) throw new HoldfastError("NOT_PINNED", "'from' cid was not recursively pinned already");
}

/** The claim that this client made. @throws HoldfastError `INVALID_ARGUMENT` when there is none. */
function ownClaim(
  { pins, writePolicy }: PinUpdateParts,
  root: CID,
  authorization: string | undefined,
): PinClaim {
  const writer = writePolicy.writerOf(authorization);
  if (writer === undefined) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      "anybody may write here, so no write may end a pin: ask with unpin=false",
    );
  }
  const claim = pins.claim(root, { source: "pin-add", holder: writer });
  if (claim !== undefined) return claim;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    "'from' was not pinned by pin/add with this token, so it cannot be ended with it: ask with unpin=false",
  );
}
