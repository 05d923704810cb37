import { setTimeout as sleep } from "node:timers/promises";
import { parseCid } from "@holdfast/core";
import { askNode, callNode } from "./node-client.ts";
import { isPinned, pinFormOf, type PinForm, pinLine } from "./pin-form.ts";
import { PinProgressView } from "./pin-progress.ts";

/** Where a command writes. */
export interface Terminal {
  /** What was asked for. */
  write(text: string): void;
  /** What is shown meanwhile, for people. */
  note(text: string): void;
  /** Whether a person looks at `note`. */
  readonly isPerson: boolean;
}

export interface PinAddOptions {
  /** The node's admin listener. */
  readonly admin: string;
  readonly name?: string;
  readonly wait: boolean;
  readonly json: boolean;
}

const POLL_MS = 500;
const CALLS_AT_ONCE = 16;
const CLEAR_LINE = "\r\u001b[K";

/**
 * Has roots pinned, and waits for it if that is wanted; ending the wait ends nothing at the node.
 *
 * @returns the exit code: 0 when all were taken and, with `wait`, are pinned; 1 when one is dead, or the wait was ended.
 * @throws CliError when the node refuses or does not answer; HoldfastError `INVALID_CID`, before anything is pinned.
 */
export async function addPins(
  cids: readonly string[],
  options: PinAddOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<0 | 1> {
  const roots = [...new Set(cids.map((text) => parseCid(text.replace(/^\/ipfs\//, "")).toString()))];
  const query = options.name === undefined ? "" : `?name=${encodeURIComponent(options.name)}`;
  const added = await inTurns(roots, async (cid) => {
    return pinFormOf(await askNode(options.admin, `/admin/pins/${cid}${query}`, { method: "POST" }));
  });
  const pins = options.wait ? await waitFor(added, options, terminal, signal) : added;
  if (options.json)
    for (const { cid, state, problem } of pins) terminal.write(jsonLine({ cid, state, problem }));
  else if (!options.wait) for (const { cid, state } of pins) terminal.write(`${cid}  ${state}\n`);
  if (signal.aborted) terminal.note("not waited for any longer; the node goes on\n");
  return options.wait && pins.some((pin) => !isPinned(pin)) ? 1 : 0;
}

export interface PinRemoveOptions {
  readonly admin: string;
  readonly unowned: boolean;
  readonly json: boolean;
}

/**
 * Takes a wish back.
 *
 * @returns the exit code: 1 when there was none.
 * @throws CliError when the node refuses or does not answer; HoldfastError `INVALID_CID`.
 */
export async function removePin(
  cid: string,
  { admin, unowned, json }: PinRemoveOptions,
  write: (text: string) => void,
): Promise<0 | 1> {
  const root = parseCid(cid.replace(/^\/ipfs\//, "")).toString();
  const answer = await askNode(admin, `/admin/pins/${root}${unowned ? "?unowned=true" : ""}`, {
    method: "DELETE",
  });
  const isReleased = answer["released"] === true;
  const isKept = answer["pinned_by_others"] === true;
  const what = isReleased ? "is not wanted here any more" : "was not wanted here";
  const line = `${root}  ${what}${isKept ? "; others want it, see `pin status`" : ""}\n`;
  write(json ? jsonLine({ ...answer, cid: root }) : line);
  return isReleased ? 0 : 1;
}

async function waitFor(
  added: readonly PinForm[],
  { admin, json }: PinAddOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<readonly PinForm[]> {
  const view = new PinProgressView(added.length);
  const last = new Map(added.map((pin) => [pin.cid, pin]));
  const tell = (text: string): void => (json ? terminal.note(text) : terminal.write(text));
  for (;;) {
    const open = [...last.values()].filter((pin) => !isPinned(pin) && pin.state !== "dead");
    const looked = await inTurns(open, (pin) => look(admin, pin));
    for (const pin of looked) last.set(pin.cid, pin);
    for (const pin of view.isEmpty ? last.values() : looked) {
      if (!view.note(pin, performance.now())) continue;
      if (terminal.isPerson) terminal.note(CLEAR_LINE);
      tell(`${pinLine(pin)}\n`);
    }
    if (terminal.isPerson) terminal.note(`${CLEAR_LINE}${view.bar()}`);
    const isOver = [...last.values()].every((pin) => isPinned(pin) || pin.state === "dead");
    if (isOver || signal.aborted) break;
    // An abort ends the pause, and is looked at above.
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  if (terminal.isPerson) terminal.note("\n");
  return [...last.values()];
}

/** A pin that is gone was released by somebody else meanwhile. */
async function look(admin: string, pin: PinForm): Promise<PinForm> {
  const { status, body } = await callNode(admin, `/admin/pins/${pin.cid}`);
  if (status === 404) return { ...pin, state: "dead", problem: "it was released" };
  return body === undefined || status !== 200 ? pin : pinFormOf(body);
}

/** A few at once, in their order. */
export async function inTurns<A, B>(
  items: readonly A[],
  run: (item: A) => Promise<B>,
): Promise<readonly B[]> {
  const results: B[] = [];
  for (let at = 0; at < items.length; at += CALLS_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + CALLS_AT_ONCE).map(run))));
  }
  return results;
}

export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
