import { parseCid } from "@holdfast/core";
import { askNode, callNode, type JsonObject } from "./node-client.ts";
import { inTurns, jsonLine } from "./pin-add.ts";
import { isPinned, objectsIn, pinFormOf, pinLine } from "./pin-form.ts";
import { printable } from "./printable.ts";

export interface PinListOptions {
  /** The node's admin listener. */
  readonly admin: string;
  readonly state?: string;
  readonly source?: string;
  readonly json: boolean;
}

export interface PinCommandOptions {
  /** The node's admin listener. */
  readonly admin: string;
  readonly json: boolean;
}

const PAGE_PINS = 1_000;

/**
 * Prints the pins, oldest first, one a line.
 *
 * @throws CliError when the node refuses, e.g. a state that there is not, or does not answer.
 */
export async function listPins(options: PinListOptions, write: (text: string) => void): Promise<0> {
  for await (const page of pagesOf(options)) {
    write(page.map((pin) => (options.json ? jsonLine(pin) : `${pinLine(pinFormOf(pin))}\n`)).join(""));
  }
  return 0;
}

/** Prints one pin, with everybody who wants it. @returns the exit code: 0 when it is pinned, 1 when it is not, or is no pin. */
export async function showPin(
  cid: string,
  { admin, json }: PinCommandOptions,
  write: (text: string) => void,
): Promise<0 | 1> {
  const root = parseCid(cid).toString();
  const { status, body } = await callNode(admin, `/admin/pins/${root}`);
  if (status === 404) {
    write(json ? jsonLine({ cid: root, state: "none" }) : `${root}  none: nobody wants it kept\n`);
    return 1;
  }
  const pin = body ?? (await askNode(admin, `/admin/pins/${root}`));
  const form = pinFormOf(pin);
  write(json ? jsonLine(pin) : `${pinLine(form)}\n${claimLines(pin)}${nextLine(form.nextAttemptAt)}`);
  return isPinned(form) ? 0 : 1;
}

/**
 * Has pins tried again, now.
 *
 * @param cid undefined: all that are dead.
 * @returns the exit code: 0 when it is tried again, also when none was dead; 1 when there is nothing to try.
 */
export async function retryPins(
  cid: string | undefined,
  { admin, json }: PinCommandOptions,
  write: (text: string) => void,
): Promise<0 | 1> {
  if (cid !== undefined) {
    const root = parseCid(cid).toString();
    const isRetried = await retry(admin, root);
    write(
      json
        ? jsonLine({ cid: root, retried: isRetried })
        : `${root}  ${isRetried ? "is tried again" : NOTHING}\n`,
    );
    return isRetried ? 0 : 1;
  }
  let retried = 0;
  for await (const page of pagesOf({ admin, state: "dead" })) {
    const outcomes = await inTurns(page, (pin) => retry(admin, pinFormOf(pin).cid));
    retried += outcomes.filter(Boolean).length;
  }
  write(json ? jsonLine({ retried }) : `${retried} are tried again\n`);
  return 0;
}

const NOTHING = "has nothing to try: it is pinned, under way, or no pin";

async function retry(admin: string, cid: string): Promise<boolean> {
  const { status } = await callNode(admin, `/admin/pins/${cid}`);
  if (status === 404) return false;
  return (await askNode(admin, `/admin/pins/${cid}/retry`, { method: "POST" }))["retried"] === true;
}

async function* pagesOf({
  admin,
  state,
  source,
}: Omit<PinListOptions, "json">): AsyncGenerator<readonly JsonObject[]> {
  for (let after: unknown; ;) {
    const query = new URLSearchParams({ limit: String(PAGE_PINS) });
    if (state !== undefined) query.set("state", state);
    if (source !== undefined) query.set("source", source);
    if (typeof after === "number") query.set("after", String(after));
    const page = await askNode(admin, `/admin/pins?${query.toString()}`);
    yield objectsIn(page["pins"]);
    after = page["next"];
    if (typeof after !== "number") return;
  }
}

function claimLines(pin: JsonObject): string {
  return objectsIn(pin["claims"])
    .map((claim) => {
      const { source, holder, name, created_at: since } = claim;
      const parts = ["wanted by", source, holder === "" ? undefined : holder, name, "since", since];
      return `  ${parts
        .filter((part) => typeof part === "string")
        .map((part) => printable(part))
        .join(" ")}\n`;
    })
    .join("");
}

function nextLine(nextAttemptAt: string | undefined): string {
  return nextAttemptAt === undefined ? "" : `  next attempt at ${nextAttemptAt}\n`;
}
