import { HoldfastError, parseCid } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import { WRITE_SOURCES } from "../../pins/pin-transitions.ts";
import type { Pins } from "../../pins/pins.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { queryFlag, queryText } from "../request-facts.ts";

export interface AdminPinWishParts {
  readonly pins: Pick<Pins, "add" | "release" | "view">;
  readonly clock: Clock;
}

const CLAIM = { source: "pin-add", holder: "operator" } as const;
/** Of writes over HTTP, and of `pin/add` by whoever may write without a token. */
const UNOWNED = [...WRITE_SOURCES, CLAIM.source].map((source) => ({ source, holder: "" }) as const);
const NAME_CHARS_MAX = 255;

/**
 * The operator's own wishes: `POST /admin/pins/{cid}?name=` has a root pinned with all below it, `DELETE /admin/pins/{cid}` takes that
 * back, and with `unowned=true` also what was wished without a name, which nobody else can take back. Nobody else's wish ends. Both
 * answer when it is durable.
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
      const claims = [CLAIM, ...(queryFlag(request, "unowned", false) ? UNOWNED : [])];
      let released = false;
      for (const claim of claims) released = (await pins.release(root, claim)) || released;
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
