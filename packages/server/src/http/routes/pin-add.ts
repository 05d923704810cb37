import type { ServerResponse } from "node:http";
import { setInterval } from "node:timers/promises";
import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import { pinNameOf } from "../../content/add-options.ts";
import type { Pins } from "../../pins/pins.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { parseGoDuration } from "../go-duration.ts";
import { sendJsonLine } from "../json-line.ts";
import { closeSignal, queryFlag, queryText } from "../request-facts.ts";
import type { WritePolicy } from "../write-policy.ts";
import { type PinArgParts, requiredPinArgs, resolvePinArg } from "./pin-arg.ts";

export interface PinAddParts extends PinArgParts {
  readonly pins: Pick<Pins, "add" | "view" | "waitFor">;
  readonly writePolicy: Pick<WritePolicy, "assertMayWrite" | "writerOf">;
  readonly clock: Clock;
}

const WAIT_MS_DEFAULT = 300_000;
const WAIT_MS_MAX = 3_600_000;
/** As Kubo does. */
const PROGRESS_EVERY_MS = 500;

/**
 * `POST /api/v0/pin/add`: `{"Pins":[cid]}` when the backend has confirmed the pin. The wish is durable long before that, and
 * stays when the client leaves or `timeout` (5 minutes by default) is over. With `progress` a line comes every 500 ms; whatever
 * fails after the first one is told as Kubo tells it, in the trailer, and then there is no `Pins`.
 *
 * @see protocols.md §2.3
 */
export function pinAddRoute(parts: PinAddParts) {
  return (app: FastifyInstance): void => {
    app.post("/api/v0/pin/add", async (request, reply) => {
      parts.writePolicy.assertMayWrite(request.headers.authorization);
      const args = requiredPinArgs(request);
      const recursive = queryFlag(request, "recursive", true);
      const name = pinNameOf(queryText(request, "name") ?? null);
      const hasProgress = queryFlag(request, "progress", false);
      const wait = waitOf(request, reply);
      const roots = await Promise.all(args.map((arg) => resolvePinArg(arg, parts, wait)));
      await wish(parts, request, { roots, recursive, name: name === "" ? undefined : name });
      reply.header("Cache-Control", "no-store");
      const pinned = untilPinned(parts, roots, wait);
      if (hasProgress) await sendProgress(parts, reply, roots, pinned);
      else sendJsonLine(reply, pinsForm(await pinned));
      return reply;
    });
  };
}

/** What a request waits on: until the client leaves, or for so long. */
export interface PinWait {
  readonly signal: AbortSignal;
  readonly waitMs: number;
}

/** @throws HoldfastError `INVALID_ARGUMENT` for a `timeout` that is none. */
export function waitOf(request: FastifyRequest, reply: FastifyReply): PinWait {
  const text = queryText(request, "timeout");
  const wantedMs = text === undefined || text === "" ? WAIT_MS_DEFAULT : parseGoDuration(text, "timeout");
  return { signal: closeSignal(reply.raw), waitMs: Math.min(wantedMs, WAIT_MS_MAX) };
}

/** Notes, durably, that these are to be pinned for whoever asks. @throws HoldfastError as `Pins.add`. */
export async function wish(
  { pins, writePolicy, clock }: Pick<PinAddParts, "pins" | "writePolicy" | "clock">,
  request: FastifyRequest,
  {
    roots,
    recursive,
    name,
  }: { readonly roots: readonly CID[]; readonly recursive: boolean; readonly name: string | undefined },
): Promise<void> {
  const holder = writePolicy.writerOf(request.headers.authorization) ?? "";
  const claim = { source: "pin-add", holder, name, createdAtMs: clock.nowMs() } as const;
  await pins.add(roots.map((root) => ({ root, recursive, isStored: false, claim })));
}

/**
 * Settles with the roots when the backend has confirmed all of them.
 *
 * @throws HoldfastError `UPSTREAM_TIMEOUT` when that takes too long, `NOT_PINNED` when one is given up or somebody ended it,
 *   `OVERLOADED`.
 */
export async function untilPinned(
  { pins }: Pick<PinAddParts, "pins">,
  roots: readonly CID[],
  { signal, waitMs }: PinWait,
): Promise<readonly CID[]> {
  const timeout = AbortSignal.timeout(waitMs);
  const both = AbortSignal.any([signal, timeout]);
  for (const root of roots) {
    try {
      assertPinned(root, await pins.waitFor(root, "pinned", { signal: both }));
    } catch (err) {
      if (!timeout.aborted || signal.aborted) throw err;
      throw new HoldfastError("UPSTREAM_TIMEOUT", lateMessage(root, waitMs, pins.view(root)?.pin.problem));
    }
  }
  return roots;
}

export function pinsForm(roots: readonly CID[]): Readonly<Record<string, unknown>> {
  return { Pins: roots.map((root) => root.toString()) };
}

function assertPinned(root: CID, pin: Awaited<ReturnType<Pins["waitFor"]>>): void {
  if (pin === undefined)
    throw new HoldfastError("NOT_PINNED", `pin: somebody ended the pin of ${root.toString()}`);
  if (pin.state === "dead") {
    throw new HoldfastError(
      "NOT_PINNED",
      `pin: ${root.toString()} was given up: ${pin.problem ?? "no reason"}`,
    );
  }
}

function lateMessage(root: CID, waitMs: number, problem: string | undefined): string {
  const why = problem === undefined ? "" : ` (last problem: ${problem})`;
  const waitedS = Math.round(waitMs / 100) / 10;
  return `request timed out: ${root.toString()} was not pinned within ${waitedS} s${why}; the wish is kept and is worked on: see /pin-status`;
}

/** The answer begins with the first line of progress: what fails before has a status. */
async function sendProgress(
  { pins }: PinAddParts,
  reply: FastifyReply,
  roots: readonly CID[],
  pinned: Promise<readonly CID[]>,
): Promise<void> {
  const over = new AbortController();
  const stop = (): void => over.abort();
  void pinned.then(stop, stop);
  const lines = new ProgressLines(reply);
  const counts = new Map<string, { readonly blocks: number; readonly bytes: number }>();
  try {
    for await (const _ of setInterval(PROGRESS_EVERY_MS, undefined, { signal: over.signal })) {
      for (const root of roots) {
        const progress = pins.view(root)?.progress;
        if (progress === undefined) continue;
        counts.set(root.toString(), { blocks: progress.blocks, bytes: progress.bytes ?? 0 });
      }
      lines.write(progressForm([...counts.values()]));
    }
  } catch (err) {
    if (!over.signal.aborted) throw err;
  }
  await lines.end(pinned);
}

/** Kubo leaves out what is zero. */
function progressForm(counts: readonly { readonly blocks: number; readonly bytes: number }[]) {
  const blocks = counts.reduce((sum, one) => sum + one.blocks, 0);
  const bytes = counts.reduce((sum, one) => sum + one.bytes, 0);
  return { ...(blocks > 0 ? { Progress: blocks } : {}), ...(bytes > 0 ? { Bytes: bytes } : {}) };
}

class ProgressLines {
  readonly #reply: FastifyReply;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  write(value: Readonly<Record<string, unknown>>): void {
    const response = this.#begun();
    // A client that does not read needs no more of them.
    if (response.writableNeedDrain || response.destroyed) return;
    response.write(`${JSON.stringify(value)}\n`);
  }

  /** Ends with the pins, or with why there are none. @throws what `pinned` does, when nothing was sent. */
  async end(pinned: Promise<readonly CID[]>): Promise<void> {
    try {
      const form = pinsForm(await pinned);
      this.#begun().end(`${JSON.stringify(form)}\n`);
    } catch (err) {
      const { raw } = this.#reply;
      if (!raw.headersSent) throw err;
      const message = err instanceof HoldfastError ? err.message : "internal error";
      raw.addTrailers({ "X-Stream-Error": message.replaceAll(/[^\x20-\x7e]/g, "?") });
      raw.end();
    }
  }

  #begun(): ServerResponse {
    const { raw } = this.#reply;
    if (!raw.headersSent) {
      this.#reply.hijack();
      raw.writeHead(200, {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Chunked-Output": "1",
        Trailer: "X-Stream-Error",
      });
    }
    return raw;
  }
}
