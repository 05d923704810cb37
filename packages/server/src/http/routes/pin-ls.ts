import { setImmediate } from "node:timers/promises";
import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Pin } from "../../pins/pin.ts";
import type { Pins } from "../../pins/pins.ts";
import { closeSignal, queryFlag, queryText } from "../request-facts.ts";
import type { WritePolicy } from "../write-policy.ts";
import { sendChunks } from "./dag-answer.ts";
import { type PinArgParts, pinArgs, resolvePinArg } from "./pin-arg.ts";

export interface PinLsParts extends PinArgParts {
  readonly pins: Pick<Pins, "get" | "list">;
  readonly writePolicy: Pick<WritePolicy, "assertMayWrite">;
}

const TYPES = ["direct", "indirect", "recursive", "all"] as const;
type PinType = (typeof TYPES)[number];

/** A millisecond or two of the thread that answers everybody. */
const PAGE_PINS = 200;
const LISTS_AT_ONCE_MAX = 4;

interface Wanted {
  readonly type: PinType;
  /** Part of the name. */
  readonly name: string | undefined;
  readonly hasNames: boolean;
  readonly isStream: boolean;
}

/**
 * `POST /api/v0/pin/ls`: what the backend has confirmed, in Kubo's forms: `{"Keys":{cid:{Type,Name}}}`, or with `stream` a line for
 * each. Pages of any number of pins are sent as they are read. Blocks below a root are pinned, too, but which ones those are
 * nobody knows without a walk over everything: `type=indirect` lists none, and the CID of such a block is not pinned by itself.
 *
 * @see protocols.md §2.3
 */
export function pinLsRoute(parts: PinLsParts) {
  let lists = 0;
  const sendAll = async (reply: FastifyReply, wanted: Wanted): Promise<void> => {
    if (lists >= LISTS_AT_ONCE_MAX)
      throw new HoldfastError("OVERLOADED", "too many lists of all pins at once");
    lists++;
    try {
      await send(reply, wanted, allPins(parts, wanted));
    } finally {
      lists--;
    }
  };
  return (app: FastifyInstance): void => {
    app.post("/api/v0/pin/ls", async (request, reply) => {
      parts.writePolicy.assertMayWrite(request.headers.authorization);
      const wanted = wantedOf(request);
      const args = pinArgs(request);
      if (args.length === 0) await sendAll(reply, wanted);
      else await send(reply, wanted, await pinsOf(parts, args, wanted, closeSignal(reply.raw)));
      return reply;
    });
  };
}

/** @throws HoldfastError `INVALID_ARGUMENT`. */
function wantedOf(request: FastifyRequest): Wanted {
  const text = queryText(request, "type") ?? "all";
  const type = TYPES.find((candidate) => candidate === text);
  if (type === undefined) {
    const shown = text.slice(0, 50);
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `invalid type '${shown}', must be one of {${TYPES.join(", ")}}`,
    );
  }
  const name = queryText(request, "name");
  return {
    type,
    name: name === "" ? undefined : name,
    hasNames: queryFlag(request, "names", false) || (name !== undefined && name !== ""),
    isStream: queryFlag(request, "stream", false),
  };
}

async function* allPins({ pins }: PinLsParts, wanted: Wanted): AsyncGenerator<Pin> {
  if (wanted.type === "indirect") return;
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: ReturnType<Pins["list"]> = pins.list({ limit: PAGE_PINS, after });
    yield* page.pins.filter((pin) => isWanted(pin, wanted));
    after = page.next;
    await setImmediate();
  }
}

/** @throws HoldfastError `NOT_PINNED` when one of them is not pinned in this way, as {@link resolvePinArg}. */
async function pinsOf(
  parts: PinLsParts,
  args: readonly string[],
  wanted: Wanted,
  signal: AbortSignal,
): Promise<AsyncIterable<Pin>> {
  const pins = await Promise.all(
    args.map(async (arg) => {
      const pin = parts.pins.get(await resolvePinArg(arg, parts, { signal }));
      if (pin !== undefined && isWanted(pin, wanted)) return pin;
      throw new HoldfastError("NOT_PINNED", `path '${arg.slice(0, 200)}' is not pinned`);
    }),
  );
  return (async function* () {
    yield* pins;
  })();
}

function isWanted(pin: Pin, { type, name }: Wanted): boolean {
  const isConfirmed = pin.state === "pinned" || pin.state === "provided";
  const isOfType = type === "all" || type === typeOf(pin);
  return isConfirmed && isOfType && (name === undefined || pin.claim.name?.includes(name) === true);
}

function typeOf({ recursive }: Pin): PinType {
  return recursive ? "recursive" : "direct";
}

async function send(reply: FastifyReply, wanted: Wanted, pins: AsyncIterable<Pin>): Promise<void> {
  await sendChunks(reply, wanted.isStream ? lines(pins, wanted) : keys(pins, wanted), {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    ...(wanted.isStream ? { "X-Chunked-Output": "1" } : {}),
  });
}

async function* lines(pins: AsyncIterable<Pin>, { hasNames }: Wanted): AsyncGenerator<Uint8Array> {
  for await (const pin of pins) {
    const name = hasNames && pin.claim.name !== undefined ? { Name: pin.claim.name } : {};
    yield Buffer.from(`${JSON.stringify({ Cid: pin.root.toString(), Type: typeOf(pin), ...name })}\n`);
  }
}

/** One object, written piece by piece. Kubo leaves `Keys` out when there are none. */
async function* keys(pins: AsyncIterable<Pin>, { hasNames }: Wanted): AsyncGenerator<Uint8Array> {
  let before = '{"Keys":{';
  for await (const pin of pins) {
    const name = (hasNames ? pin.claim.name : undefined) ?? "";
    const value = JSON.stringify({ Type: typeOf(pin), Name: name });
    yield Buffer.from(`${before}${JSON.stringify(pin.root.toString())}:${value}`);
    before = ",";
  }
  yield Buffer.from(before === "," ? "}}\n" : "{}\n");
}
