import { resolve } from "node:path";
import { HoldfastError, type IpnsName, parseIpnsName } from "@holdfast/core";

/** A name, and how many of the versions that it points to are kept. */
export interface FollowSetting {
  readonly name: IpnsName;
  readonly keep: number;
}

/** A file with names, which may change while we run, or the names themselves. */
export type FollowListSetting = { readonly file: string } | { readonly names: readonly FollowSetting[] };

/** Of those in the setting; as many in all are followed. */
export const FOLLOWED_NAMES_MAX = 10_000;
/** The last one, and the one that an owner who erred goes back to. */
export const KEEP_DEFAULT = 2;
export const KEEP_MAX = 100;

/** `none`, a comma list of `name` or `name=N`, or the path of a file with one of them a line; a path as in `HOLDFAST_WARM_NAMES`. */
export function parseFollow(text: string): FollowListSetting | undefined {
  if (text === "none") return undefined;
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  const entries = items.map(entryOrUndefined);
  const names = entries.filter((entry) => entry !== undefined);
  if (names.length === items.length && items.length > 0) {
    if (names.length > FOLLOWED_NAMES_MAX) throw new Error(`has more than ${FOLLOWED_NAMES_MAX} names`);
    if (new Set(names.map(({ name }) => name.text)).size < names.length) throw new Error("has a name twice");
    return { names };
  }
  if (names.length === 0 && /^\.{0,2}\/(?!ipns\/)|\.txt$/.test(text)) return { file: resolve(text) };
  throw new Error("is neither a comma list of name or name=N, nor a path (/…, ./…, ….txt), nor none");
}

/**
 * Reads `name` or `name=N`.
 *
 * @throws HoldfastError `INVALID_NAME`, `INVALID_ARGUMENT`.
 */
export function parseFollowEntry(text: string): FollowSetting {
  const [, nameText = "", keepText] = /^([^=]*?)\s*(?:=\s*(.*))?$/s.exec(text) ?? [];
  const keep = keepText === undefined ? KEEP_DEFAULT : Number(/^\d{1,3}$/.test(keepText) ? keepText : 0);
  if (!(keep >= 1 && keep <= KEEP_MAX))
    throw new HoldfastError("INVALID_ARGUMENT", `the number of versions is not from 1 to ${KEEP_MAX}`);
  return { name: parseIpnsName(nameText), keep };
}

function entryOrUndefined(text: string): FollowSetting | undefined {
  try {
    return parseFollowEntry(text);
  } catch {
    // It may be a path; the caller says what it must be.
    return undefined;
  }
}
