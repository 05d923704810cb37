import { HoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";

/**
 * A value of the IPLD data model. Integers are bigints and floats are numbers, and maps keep the order of their keys:
 * what JavaScript's own objects cannot tell apart would change CIDs.
 *
 * @see https://ipld.io/docs/data-model/kinds/
 */
export type DagNode =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | CID
  | readonly DagNode[]
  | ReadonlyMap<string, DagNode>;

export type DagMap = ReadonlyMap<string, DagNode>;

/** As deep as Kubo 0.43 goes. */
const NODE_DEPTH_MAX = 1024;
/** Bounds memory and time: an element of a list can be one byte, and costs some fifty as a value. */
const NODE_COUNT_MAX = 500_000;

export function isMap(node: DagNode | undefined): node is DagMap {
  return node instanceof Map;
}

export function isList(node: DagNode | undefined): node is readonly DagNode[] {
  return Array.isArray(node);
}

/** Not `instanceof`: the CIDs of libraries are of classes of their own. */
export function isLink(node: unknown): node is CID {
  return typeof node === "object" && node !== null && CID.asCID(node) !== null;
}

/** Counts what a decoder makes, and how deep it is. */
export class NodeBudget {
  #count = 0;
  #depth = 0;

  /** @throws HoldfastError `INVALID_ARGUMENT`. */
  count(): void {
    if (++this.#count > NODE_COUNT_MAX) throw invalidNode(`more than ${NODE_COUNT_MAX} values`);
  }

  /** Around the elements of a list or map. */
  nested<T>(work: () => T): T {
    if (++this.#depth > NODE_DEPTH_MAX) throw invalidNode(`nested more than ${NODE_DEPTH_MAX} deep`);
    const result = work();
    this.#depth--;
    return result;
  }
}

/** The links of a node in the order in which they stand in it, repeated ones too. */
export function linksOfNode(node: DagNode): CID[] {
  const links: CID[] = [];
  const rest: DagNode[] = [node];
  while (rest.length > 0) {
    const next = rest.pop();
    if (isLink(next)) links.push(next);
    else if (isMap(next) || isList(next)) {
      // Not as arguments of one call: those go on the stack.
      for (const inner of [...next.values()].toReversed()) rest.push(inner);
    }
  }
  return links;
}

export function invalidNode(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message, cause === undefined ? {} : { cause });
}
