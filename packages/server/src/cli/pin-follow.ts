import { parseIpnsName } from "@holdfast/core";
import { askNode, type JsonObject } from "./node-client.ts";
import { jsonLine } from "./pin-add.ts";
import { objectsIn } from "./pin-form.ts";
import type { PinCommandOptions } from "./pin-show.ts";
import { printable } from "./printable.ts";

const PAGE_NAMES = 1_000;

/**
 * Has what a name points to pinned as it changes.
 *
 * @param keep how many versions stay; undefined: as the node decides.
 * @throws CliError when the node refuses or does not answer; HoldfastError `INVALID_NAME`.
 */
export async function followName(
  name: string,
  { admin, json, keep }: PinCommandOptions & { readonly keep?: bigint },
  write: (text: string) => void,
): Promise<0> {
  const query = keep === undefined ? "" : `?keep=${keep}`;
  const path = `/admin/follow/${parseIpnsName(name).text}${query}`;
  const followed = await askNode(admin, path, { method: "POST" });
  write(json ? jsonLine(followed) : followedLines(followed));
  return 0;
}

/** Ends that, and releases what was kept for the name. @returns the exit code: 1 when nobody followed it. */
export async function unfollowName(
  name: string,
  { admin, json }: PinCommandOptions,
  write: (text: string) => void,
): Promise<0 | 1> {
  const { text } = parseIpnsName(name);
  const answer = await askNode(admin, `/admin/follow/${text}`, { method: "DELETE" });
  const isEnded = answer["unfollowed"] === true;
  write(json ? jsonLine(answer) : `${text}  ${isEnded ? "is not followed any more" : "was not followed"}\n`);
  return isEnded ? 0 : 1;
}

/** Prints the followed names with their versions, newest first. */
export async function listFollowed(
  { admin, json }: PinCommandOptions,
  write: (text: string) => void,
): Promise<0> {
  for (let after = ""; ;) {
    const query = new URLSearchParams({ limit: String(PAGE_NAMES), ...(after === "" ? {} : { after }) });
    const page = await askNode(admin, `/admin/follow?${query.toString()}`);
    write(
      objectsIn(page["names"])
        .map((one) => (json ? jsonLine(one) : followedLines(one)))
        .join(""),
    );
    const { next } = page;
    if (typeof next !== "string") return 0;
    after = next;
  }
}

function followedLines(followed: JsonObject): string {
  const origins = objectsIn(followed["origins"]).map(({ origin }) => origin);
  const problem = followed["problem"];
  const head = `${String(followed["name"])}  keeps ${String(followed["keep"])}  (${origins.join(", ")})`;
  const versions = objectsIn(followed["versions"]).map(({ cid, state, seen_at: seenAt }) => {
    return `  ${String(cid)}  ${typeof state === "string" ? state : "no pin"}  seen ${String(seenAt)}`;
  });
  const lines = [`${head}${typeof problem === "string" ? `: ${problem}` : ""}`, ...versions];
  return `${lines.map(printable).join("\n")}\n`;
}
