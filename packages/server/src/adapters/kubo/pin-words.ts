import { type ErrorCode, HoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";
import type { PinProgress } from "../../pins/pinner.ts";
import { KuboRefusal } from "./kubo-call.ts";

const DAG_PB = 0x70;
const SHA2_256 = 0x12;
const SHA2_256_BYTES = 32;
/** Kubo refuses a longer one. */
const NAME_BYTES_MAX = 255;

/** What Kubo says of a failed pin, and what it means here. Tried in this order. */
const MEANINGS: readonly (readonly [words: RegExp, code: ErrorCode, message: string])[] = [
  [/no space left on device|disk quota exceeded|file too large/i, "STORE_FAILED", "Kubo has no room left"],
  [
    /read-only file system|input\/output error|too many open files/i,
    "STORE_FAILED",
    "Kubo cannot write to its repository",
  ],
  [/could not find|not found/i, "CONTENT_NOT_FOUND", "Kubo did not find every block"],
  [
    /unrecognized object type|no decoder registered|multicodec code|unknown hash|unsupported/i,
    "CONTENT_UNSUPPORTED",
    "Kubo cannot read a block of this DAG",
  ],
];

/** Kubo's words for the failure of a pin, translated; what is no refusal stays what it is. */
export function pinFailureOf(err: unknown): unknown {
  if (!(err instanceof KuboRefusal)) return err;
  const meaning = MEANINGS.find(([words]) => words.test(err.words));
  return meaning === undefined ? err : new HoldfastError(meaning[1], meaning[2], { cause: err });
}

/** The CIDs of both versions that name the same DAG: Kubo keeps a pin under the one that it was given. */
export function sameDagAs(cid: CID): readonly CID[] {
  const { code, size } = cid.multihash;
  if (cid.code !== DAG_PB || code !== SHA2_256 || size !== SHA2_256_BYTES) return [cid];
  return [cid, cid.version === 0 ? cid.toV1() : cid.toV0()];
}

/** As much of the name as Kubo takes; undefined for none. */
export function pinNameOf(name: string | undefined): string | undefined {
  if (name === undefined || name === "") return undefined;
  const bytes = new TextEncoder().encode(name);
  if (bytes.byteLength <= NAME_BYTES_MAX) return name;
  // Not in the middle of a character.
  return new TextDecoder().decode(bytes.subarray(0, NAME_BYTES_MAX), { stream: true });
}

/** Of an object of `dag/import`: what went wrong with the pin of its root, empty for nothing; undefined for another object. */
export function pinProblemIn(object: unknown): string | undefined {
  const root = fieldOf(object, "Root");
  if (typeof root !== "object" || root === null) return undefined;
  const problem = fieldOf(root, "PinErrorMsg") ?? "";
  return typeof problem === "string" ? problem : "malformed answer";
}

/** Of an object of `pin/add`. */
export function progressIn(object: unknown): PinProgress | undefined {
  const [blocks, bytes] = [fieldOf(object, "Progress"), fieldOf(object, "Bytes")];
  if (!isCount(blocks)) return undefined;
  return { blocks, bytes: isCount(bytes) ? bytes : undefined };
}

/** Whether this is the last object of `pin/add`, which says that it was done. */
export function isPinAddEnd(object: unknown): boolean {
  const pins = fieldOf(object, "Pins");
  return Array.isArray(pins) && pins.length > 0;
}

/** Whether this answer of `pin/ls` about one CID has it. */
export function isPinIn(answer: Uint8Array, cid: CID): boolean {
  const keys = fieldOf(jsonOf(answer), "Keys");
  return typeof keys === "object" && keys !== null && Object.hasOwn(keys, cid.toString());
}

/** Whether this answer of `pin/rm` says that a pin was ended. */
export function isPinRemoved(answer: Uint8Array): boolean {
  return isPinAddEnd(jsonOf(answer));
}

/** @throws HoldfastError `BACKEND_UNAVAILABLE` when the line of a list is no CID. */
export function cidOfLine(line: string): CID {
  try {
    return CID.parse(line);
  } catch (err) {
    throw new HoldfastError("BACKEND_UNAVAILABLE", "this is not how Kubo lists its pins", { cause: err });
  }
}

/** Undefined for some other server's page. */
function jsonOf(answer: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(answer)) as unknown;
  } catch {
    return undefined;
  }
}

function fieldOf(object: unknown, field: string): unknown {
  return typeof object === "object" && object !== null && Object.hasOwn(object, field)
    ? (object as Record<string, unknown>)[field]
    : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
