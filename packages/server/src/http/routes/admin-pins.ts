import { HoldfastError, parseCid } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { PinSource, PinState } from "../../pins/pin.ts";
import { PIN_SOURCES } from "../../pins/pin-transitions.ts";
import type { Pins, PinView } from "../../pins/pins.ts";
import { queryText } from "../request-facts.ts";

export interface AdminPinsParts {
  readonly pins: Pick<Pins, "view" | "viewOf" | "claims" | "list" | "totals" | "retry">;
}

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const STATES: readonly PinState[] = ["queued", "stored", "pinned", "provided", "dead"];

/**
 * For the operator: `GET /admin/pins` (`state`, `source`, `limit`, `after`: oldest first, `next` for the page behind),
 * `GET /admin/pins/totals`, `GET /admin/pins/{cid}` with its claims, `POST /admin/pins/{cid}/retry` for a pin that is dead
 * or waits for its next attempt.
 */
export function adminPinsRoutes({ pins }: AdminPinsParts) {
  return (app: FastifyInstance): void => {
    app.get("/admin/pins", (request, reply) => {
      const page = pins.list(filterOf(request));
      const next = page.next === undefined ? {} : { next: page.next };
      void reply
        .header("Cache-Control", "no-store")
        .send({ pins: page.pins.map((pin) => formOf(pins.viewOf(pin))), ...next });
    });
    app.get("/admin/pins/totals", (_request, reply) => {
      const totals = pins.totals().map(({ source, state, pins: count, blockBytes }) => {
        return { source, state, pins: count, block_bytes: blockBytes };
      });
      void reply.header("Cache-Control", "no-store").send({ totals });
    });
    app.get("/admin/pins/:cid", (request, reply) => {
      void reply.header("Cache-Control", "no-store").send(wholeFormOf(pins, request));
    });
    app.post("/admin/pins/:cid/retry", async (request, reply) => {
      const { pin } = viewOf(pins, request);
      const isRetried = await pins.retry(pin.root);
      return reply
        .header("Cache-Control", "no-store")
        .send({ retried: isRetried, ...wholeFormOf(pins, request) });
    });
  };
}

function filterOf(request: FastifyRequest): Parameters<Pins["list"]>[0] {
  return {
    state: oneOf<PinState>(request, "state", STATES),
    source: oneOf<PinSource>(request, "source", PIN_SOURCES),
    limit: Math.min(LIMIT_MAX, numberOf(request, "limit") ?? LIMIT_DEFAULT),
    after: numberOf(request, "after"),
  };
}

function oneOf<T extends string>(
  request: FastifyRequest,
  parameter: string,
  allowed: readonly T[],
): T | undefined {
  const text = queryText(request, parameter);
  const found = allowed.find((candidate) => candidate === text);
  if (text !== undefined && found === undefined) {
    throw new HoldfastError("INVALID_ARGUMENT", `"${parameter}" is not one of ${allowed.join(", ")}`);
  }
  return found;
}

function numberOf(request: FastifyRequest, parameter: string): number | undefined {
  const text = queryText(request, parameter);
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new HoldfastError("INVALID_ARGUMENT", `"${parameter}" is not a whole number above 0`);
  }
  return Number(text);
}

function viewOf(pins: AdminPinsParts["pins"], request: FastifyRequest): PinView {
  const { cid } = request.params as { readonly cid: string };
  const view = pins.view(parseCid(cid));
  if (view === undefined) throw new HoldfastError("CONTENT_NOT_FOUND", "nobody wants this root kept");
  return view;
}

function wholeFormOf(pins: AdminPinsParts["pins"], request: FastifyRequest): Record<string, unknown> {
  const view = viewOf(pins, request);
  const claims = pins.claims(view.pin.root).map(({ source, holder, name, createdAtMs }) => {
    return { source, holder, ...(name === undefined ? {} : { name }), created_at: isoOf(createdAtMs) };
  });
  return { ...formOf(view), claims };
}

function formOf({ pin, stage, progress }: PinView): Record<string, unknown> {
  const { claim, pinnedAtMs, problem } = pin;
  const isOpen = pin.state === "queued" || pin.state === "stored";
  return {
    cid: pin.root.toString(),
    state: stage,
    recursive: pin.recursive,
    source: claim.source,
    holder: claim.holder,
    ...(claim.name === undefined ? {} : { name: claim.name }),
    created_at: isoOf(claim.createdAtMs),
    ...(pinnedAtMs === undefined ? {} : { pinned_at: isoOf(pinnedAtMs) }),
    attempts: pin.attempts,
    ...(isOpen ? { next_attempt_at: isoOf(pin.nextAttemptAtMs) } : {}),
    ...(problem === undefined ? {} : { problem }),
    ...(progress === undefined ? {} : { progress }),
  };
}

function isoOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
