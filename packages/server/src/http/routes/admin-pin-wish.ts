import { HoldfastError, parseCid } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { Pins } from "../../pins/pins.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { queryText } from "../request-facts.ts";

export interface AdminPinWishParts {
  readonly pins: Pick<Pins, "add" | "release" | "view">;
  readonly clock: Clock;
}

const CLAIM = { source: "pin-add", holder: "operator" } as const;
const NAME_CHARS_MAX = 255;

/**
 * The operator's own wishes: `POST /admin/pins/{cid}?name=` has a root pinned with all below it, `DELETE /admin/pins/{cid}` takes that
 * back, and nobody else's wish for it. Both answer when it is durable.
 */
export function adminPinWishRoutes({ pins, clock }: AdminPinWishParts) {
  return (app: FastifyInstance): void => {
    app.post("/admin/pins/:cid", async (request, reply) => {
      const root = rootOf(request);
      const claim = { ...CLAIM, name: nameOf(request), createdAtMs: clock.nowMs() };
      await pins.add([{ root, recursive: true, claim, isStored: false }]);
      const view = pins.view(root);
      return reply
        .code(202)
        .header("Cache-Control", "no-store")
        .send({ cid: (view?.pin.root ?? root).toString(), state: view?.stage });
    });
    app.delete("/admin/pins/:cid", async (request, reply) => {
      const root = rootOf(request);
      const released = await pins.release(root, CLAIM);
      return reply
        .header("Cache-Control", "no-store")
        .send({ released, pinned_by_others: pins.view(root) !== undefined });
    });
  };
}

function rootOf(request: FastifyRequest): CID {
  return parseCid((request.params as { readonly cid: string }).cid);
}

function nameOf(request: FastifyRequest): string | undefined {
  const name = queryText(request, "name");
  if (name !== undefined && name.length > NAME_CHARS_MAX)
    throw new HoldfastError("INVALID_ARGUMENT", `the name has more than ${NAME_CHARS_MAX} characters`);
  return name;
}
