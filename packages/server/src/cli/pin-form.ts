import type { JsonObject } from "./node-client.ts";
import { printable } from "./printable.ts";

/** A pin, as `GET /admin/pins` tells it. What a node of another version leaves out is undefined. */
export interface PinForm {
  readonly cid: string;
  readonly state: string;
  readonly source: string;
  readonly name: string | undefined;
  readonly attempts: number;
  readonly problem: string | undefined;
  readonly nextAttemptAt: string | undefined;
  readonly blocks: number;
  readonly bytes: number;
}

export function pinFormOf(body: JsonObject): PinForm {
  const progress = typeof body["progress"] === "object" ? { ...body["progress"] } : {};
  const numbers = progress as JsonObject;
  return {
    cid: textOf(body["cid"]) ?? "?",
    state: textOf(body["state"]) ?? "?",
    source: textOf(body["source"]) ?? "?",
    name: textOf(body["name"]),
    attempts: numberOf(body["attempts"]),
    problem: textOf(body["problem"]),
    nextAttemptAt: textOf(body["next_attempt_at"]),
    blocks: numberOf(numbers["blocks"]),
    bytes: numberOf(numbers["bytes"]),
  };
}

/** Those of a page, as they came. */
export function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : [];
}

export function isPinned({ state }: Pick<PinForm, "state">): boolean {
  return state === "pinned" || state === "provided";
}

/** One line for people, without its end. */
export function pinLine({ cid, state, source, name, problem, attempts, blocks, bytes }: PinForm): string {
  const progress = state === "pinning" ? ` (${blocks} blocks, ${sizeOf(bytes)})` : "";
  const tries = attempts > 0 ? `, ${attempts} failed` : "";
  const words = problem === undefined ? "" : `: ${problem}`;
  return `${cid}  ${state}${progress}${tries}  ${source}${name === undefined ? "" : `  "${name}"`}${words}`;
}

export function sizeOf(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? printable(value) : undefined;
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
