import type { CID } from "multiformats/cid";
import { encodeCarHeader, encodeCarSection } from "./car-writer.ts";
import { linksOf } from "./dag-codecs.ts";
import { walkDag } from "./dag-walk.ts";

const READ_AHEAD = 8;
/** Their keys are held while the DAG streams out, to write each block once. */
const NODES_MAX = 2_000_000;

/**
 * A DAG as a CAR of version 1, with the blocks in the order of Kubo's `dag export`: depth first, each CID once, inlined
 * ones too. The first chunk has the header and the root.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED`, `INVALID_ARGUMENT` for a block that cannot be read with its codec; whatever `get`
 *   throws. A consumer must not take for complete what ends with an error.
 */
export async function* exportDag(
  root: CID,
  get: (cid: CID) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const read = async (cid: CID) => {
    const bytes = await get(cid);
    return { value: bytes, links: linksOf(cid, bytes) };
  };
  let header: Uint8Array | undefined = encodeCarHeader([root]);
  for await (const { cid, value } of walkDag(root, read, { readAhead: READ_AHEAD, nodesMax: NODES_MAX })) {
    const section = encodeCarSection(cid, value);
    yield header === undefined ? section : Buffer.concat([header, section]);
    header = undefined;
  }
}
