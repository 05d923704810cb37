import type { CID } from "multiformats/cid";
import type { Block } from "../../src/content/block-store.ts";
import { blockOf, bytesOf } from "./blocks.ts";
import { dagCborBlock } from "./cars.ts";

/** DAG number `i`: small and large leaves in two levels, some of them shared with its neighbours. */
export function sweptDag(i: number): { readonly root: CID; readonly blocks: readonly Block[] } {
  const leaves = Array.from({ length: 12 }, (_, k) =>
    blockOf(bytesOf(k % 6 === 0 ? 70_000 + i : 700, k < 4 ? Math.floor(i / 2) * 100 + k : i * 100 + k)),
  );
  const middles = [leaves.slice(0, 6), leaves.slice(6)].map((part) =>
    dagCborBlock({ leaves: part.map(({ cid }) => cid) }),
  );
  const root = dagCborBlock({ i: BigInt(i), middles: middles.map(({ cid }) => cid) });
  return { root: root.cid, blocks: [root, ...middles, ...leaves] };
}
