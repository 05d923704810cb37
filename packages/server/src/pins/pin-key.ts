import type { CID } from "multiformats/cid";

/** The same for both versions of a CID, another one for each codec: what one pin is. */
export function pinKeyOf({ code, multihash }: Pick<CID, "code" | "multihash">): string {
  return `${code} ${Buffer.from(multihash.bytes).toString("latin1")}`;
}
