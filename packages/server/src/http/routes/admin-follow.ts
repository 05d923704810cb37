import { HoldfastError, parseIpnsName } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Follows, FollowView } from "../../pins/follow/follows.ts";
import { queryText } from "../request-facts.ts";

export interface AdminFollowParts {
  readonly follows: Pick<Follows, "follow" | "unfollow" | "list" | "view">;
}

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;

/**
 * For the operator: `GET /admin/follow` (`limit`, `after`: by name, `next` for the page behind), `GET /admin/follow/{name}`,
 * `POST /admin/follow/{name}?keep=N` and `DELETE /admin/follow/{name}`, which answer when it is durable.
 */
export function adminFollowRoutes({ follows }: AdminFollowParts) {
  return (app: FastifyInstance): void => {
    app.get("/admin/follow", (request, reply) => {
      const limit = Math.min(LIMIT_MAX, numberOf(request, "limit") ?? LIMIT_DEFAULT);
      const page = follows.list({ after: queryText(request, "after"), limit });
      const next = page.length < limit ? undefined : page.at(-1)?.name.text;
      void reply
        .header("Cache-Control", "no-store")
        .send({ names: page.map(formOf), ...(next === undefined ? {} : { next }) });
    });
    app.get("/admin/follow/:name", (request, reply) => {
      void reply.header("Cache-Control", "no-store").send(formOf(viewOf(follows, request)));
    });
    app.post("/admin/follow/:name", async (request, reply) => {
      const keep = numberOf(request, "keep");
      await follows.follow(nameOf(request), { origin: "admin", ...(keep === undefined ? {} : { keep }) });
      return reply.header("Cache-Control", "no-store").send(formOf(viewOf(follows, request)));
    });
    app.delete("/admin/follow/:name", async (request, reply) => {
      const unfollowed = await follows.unfollow(nameOf(request));
      return reply.header("Cache-Control", "no-store").send({ unfollowed });
    });
  };
}

function nameOf(request: FastifyRequest): ReturnType<typeof parseIpnsName> {
  return parseIpnsName((request.params as { readonly name: string }).name);
}

function numberOf(request: FastifyRequest, parameter: string): number | undefined {
  const text = queryText(request, parameter);
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new HoldfastError("INVALID_ARGUMENT", `"${parameter}" is not a whole number above 0`);
  return Number(text);
}

function viewOf(follows: AdminFollowParts["follows"], request: FastifyRequest): FollowView {
  const view = follows.view(nameOf(request));
  if (view === undefined) throw new HoldfastError("RECORD_NOT_FOUND", "nobody follows this name");
  return view;
}

/** As it is on the wire. */
export interface FollowForm {
  readonly name: string;
  /** 0: it is not followed any more, and its versions are being released. */
  readonly keep: number;
  readonly origins: readonly { readonly origin: string; readonly keep: number; readonly since: string }[];
  /** Newest first. `state` as in `GET /admin/pins`. */
  readonly versions: readonly { readonly cid: string; readonly seen_at: string; readonly state?: string }[];
  readonly problem?: string;
}

function formOf({ name, keep, follows, versions, problem }: FollowView): FollowForm {
  return {
    name: name.text,
    keep,
    origins: follows.map((follow) => {
      return { origin: follow.origin, keep: follow.keep, since: isoOf(follow.sinceMs) };
    }),
    versions: versions.map(({ root, seenAtMs, stage }) => {
      return {
        cid: root.toString(),
        seen_at: isoOf(seenAtMs),
        ...(stage === undefined ? {} : { state: stage }),
      };
    }),
    ...(problem === undefined ? {} : { problem }),
  };
}

function isoOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
