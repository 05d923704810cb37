import type { FastifyInstance } from "fastify";
import { pinAddRoute } from "./pin-add.ts";
import { pinLsRoute, type PinLsParts } from "./pin-ls.ts";
import { pinUpdateRoute, type PinUpdateParts } from "./pin-update.ts";

export interface PinCommandParts extends PinUpdateParts, PinLsParts {
  readonly pins: PinUpdateParts["pins"] & PinLsParts["pins"];
  readonly writePolicy: PinUpdateParts["writePolicy"];
}

/** Kubo's `pin/add`, `pin/ls` and `pin/update`, under the write policy. `pin/rm` is not offered. */
export function pinCommandRoutes(parts: PinCommandParts) {
  return (app: FastifyInstance): void => {
    pinAddRoute(parts)(app);
    pinLsRoute(parts)(app);
    pinUpdateRoute(parts)(app);
  };
}
