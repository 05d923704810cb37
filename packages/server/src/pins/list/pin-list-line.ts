import { type IpnsName, isHoldfastError, parseCid, parseContentPath, parseIpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";

export type PinListLine =
  | { readonly kind: "blank" }
  /** To be pinned: of a path its root, so that the path can be walked here. */
  | { readonly kind: "root"; readonly root: CID }
  /** To be followed. */
  | { readonly kind: "name"; readonly name: IpnsName };

const LIBP2P_KEY = 0x72;

/**
 * Reads one line: a CID, `/ipfs/{cid}…` or `/ipns/{name}…`, spaces around it, `#` for a comment.
 *
 * @throws HoldfastError `INVALID_CID`, `INVALID_NAME`, `INVALID_PATH`.
 */
export function parsePinListLine(line: string): PinListLine {
  const word = withoutComment(line);
  if (word === "") return { kind: "blank" };
  if (!word.startsWith("/")) return wishIn(word);
  const { namespace, root } = parseContentPath(word, { percentEncoded: false });
  return namespace === "ipfs" ? { kind: "root", root: parseCid(root) } : nameIn(root);
}

/** A line of a list without what is for people. */
export function withoutComment(line: string): string {
  return line.replace(/(?:^|\s)#.*$/s, "").trim();
}

function wishIn(text: string): PinListLine {
  const cid = cidIn(text);
  // A peer id in base58 is no CID, but the name of its key.
  return cid === undefined || cid.code === LIBP2P_KEY ? nameIn(text) : { kind: "root", root: cid };
}

function nameIn(text: string): PinListLine {
  return { kind: "name", name: parseIpnsName(text) };
}

function cidIn(text: string): CID | undefined {
  try {
    return parseCid(text);
  } catch (err) {
    if (isHoldfastError(err)) return undefined;
    throw err;
  }
}
