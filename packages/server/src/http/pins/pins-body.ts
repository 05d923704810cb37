import { HoldfastError, parseCid } from "@holdfast/core";
import type { ApiPinOrder } from "../../pins/api/api-pin.ts";
import { isPeerAddress } from "../../pins/api/peer-address.ts";

const NAME_LENGTH_MAX = 255;
const CID_LENGTH_MAX = 1_000;
const ORIGINS_MAX = 20;
const META_PAIRS_MAX = 1_000;
const META_BYTES_MAX = 16 * 1024;

/**
 * Reads the `Pin` object of a request. What it does not know it ignores, and null stands for what is not there.
 *
 * @throws HoldfastError `INVALID_ARGUMENT`, `INVALID_CID`.
 */
export function parsePinOrder(bytes: Uint8Array): ApiPinOrder {
  const pin = objectOf(parseJson(bytes), "the body");
  const { cid } = pin;
  if (typeof cid !== "string") throw invalid('"cid" is missing, or no text');
  if (cid.length > CID_LENGTH_MAX) throw invalid(`"cid" has more than ${CID_LENGTH_MAX} characters`);
  return {
    root: parseCid(cid),
    cid,
    name: nameOf(pin["name"]),
    origins: originsOf(pin["origins"]),
    meta: metaOf(pin["meta"], '"meta"'),
  };
}

/** A name of the request, or one that is looked for. Undefined for an empty one. @throws HoldfastError `INVALID_ARGUMENT`. */
export function nameOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw invalid('"name" is no text');
  // Characters of Unicode, as the schema counts them.
  if (Array.from(value).length > NAME_LENGTH_MAX)
    throw invalid(`"name" has more than ${NAME_LENGTH_MAX} characters`);
  if (!value.isWellFormed() || value.includes("\0")) throw invalid('"name" has a character that is none');
  return value;
}

/** Text by text. @throws HoldfastError `INVALID_ARGUMENT`. */
export function metaOf(value: unknown, label: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  const pairs = Object.entries(objectOf(value, label)).map(([key, one]): [string, string] => {
    if (typeof one !== "string") throw invalid(`${label} has a value that is no text`);
    return [key, one];
  });
  if (pairs.length > META_PAIRS_MAX) throw invalid(`${label} has more than ${META_PAIRS_MAX} keys`);
  const meta = Object.fromEntries(pairs);
  if (Buffer.byteLength(JSON.stringify(meta)) > META_BYTES_MAX) {
    throw invalid(`${label} has more than ${META_BYTES_MAX} bytes`);
  }
  return meta;
}

function originsOf(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid('"origins" is no list');
  if (value.length > ORIGINS_MAX) throw invalid(`"origins" has more than ${ORIGINS_MAX} addresses`);
  const origins = value.map((origin: unknown) => {
    if (typeof origin !== "string" || !isPeerAddress(origin)) {
      throw invalid('"origins" has something else than multiaddrs that end in /p2p/{peer id}');
    }
    return origin;
  });
  return [...new Set(origins)];
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid("the body is not JSON", cause);
  }
}

function objectOf(value: unknown, label: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw invalid(`${label} is no JSON object`);
}

function invalid(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message, { cause });
}
