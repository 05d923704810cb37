import { isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE } from "../../content/block-hash.ts";
import type { BlockStore } from "../../content/block-store.ts";
import { isLeafCodec, linksOf } from "../../content/dag-codecs.ts";
import { KeySet } from "../../content/key-set.ts";
import type { MarkedRoot } from "./sweep-marks.ts";
import { SweepPace } from "./sweep-pace.ts";

/** Blocks of one DAG. Of a larger one the rest is left out. */
const NODES_MAX = 4_000_000;

interface OpenNode {
  readonly cid: CID;
  /** Not yet visited; the next one last. */
  readonly links: CID[];
}

/**
 * The blocks of a DAG that are in the store, each once, and after all that it links to: whoever deletes them in this order can
 * stop anywhere, and what is left is still found from the root. What is not here, or cannot be read, has no links.
 *
 * @throws HoldfastError `STORE_FAILED`; the signal's reason when it aborts.
 */
export async function* fromLeavesUp(
  store: Pick<BlockStore, "get" | "has">,
  { root, recursive }: MarkedRoot,
  signal: AbortSignal,
): AsyncGenerator<CID> {
  const pace = new SweepPace(signal);
  const seen = new KeySet({ byCodec: true });
  const open: OpenNode[] = [];
  const enter = async (cid: CID): Promise<void> => {
    if (!seen.add(cid)) return;
    const hasLinks = recursive && !isLeafCodec(cid.code);
    const isInlined = cid.multihash.code === IDENTITY_CODE;
    const bytes = isInlined ? cid.multihash.digest : hasLinks ? await store.get(cid) : undefined;
    await pace.step(bytes?.byteLength);
    const isHere = bytes !== undefined || (!hasLinks && (await store.has(cid)));
    if (isHere) open.push({ cid, links: bytes === undefined || !hasLinks ? [] : linksIn(cid, bytes) });
  };
  await enter(root);
  for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
    if (seen.size > NODES_MAX) return;
    const link = last.links.pop();
    if (link !== undefined) {
      await enter(link);
      continue;
    }
    open.pop();
    if (last.cid.multihash.code !== IDENTITY_CODE) yield last.cid;
  }
}

function linksIn(cid: CID, bytes: Uint8Array): CID[] {
  try {
    return linksOf(cid, bytes).toReversed();
  } catch (err) {
    if (isHoldfastError(err)) return [];
    throw err;
  }
}
