import { parseCid } from "@holdfast/core";
import type { Kubo } from "../../packages/server/test/support/start-kubo.ts";
import type { Place, PlaceKind } from "./place.ts";
import { dagPbBytes, type PbLink, unixfsBytes, varint } from "./unixfs-bytes.ts";

/** A file with bytes of its own before its parts, which no importer makes any more. */
export const OWN_AND_PARTS_CID = "bafybeifquasacvnjfu5de5omf2bkmm6t77vkiwsyt6oqp75kxfsjo4ttsu";

/** Of a codec that Kubo has and we have not. */
export const GIT_BLOCK_CID = "baf4beigbz5xemudxsmhirxcrgzsb2qbpokrctxozs33cpvqosy46vorvuy";
/** One byte more than IPIP-512 allows. */
export const LONG_IDENTITY_CID = identityCid(0x55, Buffer.alloc(129, "x"));

/** Nodes that `add` never makes. */
export async function makeByHand(kubo: Kubo): Promise<Place[]> {
  const text = await putBlock(kubo, Buffer.from("linked by hand\n"), "raw");
  const link = (cid: string, size: number, name?: string): PbLink => ({
    cidBytes: parseCid(cid).bytes,
    size,
    ...(name === undefined ? {} : { name }),
  });
  const put = (links: readonly PbLink[], data: Uint8Array | undefined): Promise<string> =>
    putBlock(kubo, dagPbBytes(links, data), "dag-pb");
  const symlink = await put(
    [],
    unixfsBytes({ type: "symlink", data: Buffer.from("target/of link"), mode: 0o777, mtimeS: 1_400_000_000 }),
  );
  const rawType = await put([], unixfsBytes({ type: "raw", data: Buffer.from("of type raw"), fileSize: 11 }));
  const ownAndParts = await put(
    [link(text, 15), link(text, 15)],
    unixfsBytes({ type: "file", data: Buffer.from("own "), fileSize: 34, blockSizes: [15, 15] }),
  );
  const indexDirectory = await put([], unixfsBytes({ type: "directory" }));
  const directory = await put(
    [link(indexDirectory, 4, "index.html"), link(symlink, 30, "a-link"), link(text, 15, "text")],
    unixfsBytes({ type: "directory" }),
  );
  const notUnixfs = await put([link(text, 15, "named")], Buffer.from([0xff, 0xff, 0xff]));
  const noData = await put([link(text, 15, "named")], undefined);
  const metadata = await put([], unixfsBytes({ type: "metadata", data: Buffer.from("text/plain") }));
  const sha512 = await putBlock(kubo, Buffer.from("hashed otherwise\n"), "raw", "sha2-512");
  const foreign = await putBlock(kubo, Buffer.from("blob 3\0abc"), "git-raw");
  if (ownAndParts !== OWN_AND_PARTS_CID || foreign !== GIT_BLOCK_CID)
    throw new Error("the DAGs have changed");
  const at = (cid: string, kind: PlaceKind, size?: number): Place => ({
    path: `/ipfs/${cid}`,
    kind,
    cid,
    ...(size === undefined ? {} : { size }),
  });
  return [
    at(symlink, "symlink", 14),
    at(rawType, "file", 11),
    at(ownAndParts, "file", 34),
    at(directory, "directory"),
    { path: `/ipfs/${directory}/text`, kind: "file", cid: text, size: 15 },
    { path: `/ipfs/${directory}/a-link`, kind: "symlink", cid: symlink },
    { path: `/ipfs/${directory}/a-link/on`, kind: "missing" },
    at(notUnixfs, "other-codec"),
    { path: `/ipfs/${notUnixfs}/named`, kind: "file", cid: text, size: 15 },
    at(noData, "other-codec"),
    { path: `/ipfs/${noData}/named`, kind: "file", cid: text, size: 15 },
    at(metadata, "other-codec"),
    at(sha512, "file", 17),
    at(foreign, "other-codec"),
    { path: `/ipfs/${foreign}/x`, kind: "missing" },
  ];
}

/** CIDs that carry their bytes: nobody has to hold anything. */
export function identities(): Place[] {
  const at = (path: string, kind: PlaceKind, size?: number): Place => ({
    path,
    kind,
    cid: path.slice("/ipfs/".length),
    ...(size === undefined ? {} : { size }),
  });
  return [
    at("/ipfs/bafkqaaa", "file", 0),
    at("/ipfs/bafkqaddimvwgy3zao5xxe3debi", "file", 12),
    at("/ipfs/bafyaabakaieac", "directory"),
    at(`/ipfs/${identityCid(0x55, Buffer.alloc(128, "x"))}`, "file", 128),
    at(`/ipfs/${LONG_IDENTITY_CID}`, "missing"),
    at(`/ipfs/${identityCid(0x71, Buffer.from("a16161f5", "hex"))}`, "dag-cbor"),
    at(`/ipfs/${identityCid(0x0129, Buffer.from('{"a":true}'))}`, "dag-json"),
    at("/ipfs/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", "directory"),
  ];
}

function identityCid(codec: number, bytes: Uint8Array): string {
  return `f${Buffer.concat([Buffer.of(1), varint(codec), Buffer.of(0), varint(bytes.byteLength), bytes]).toString("hex")}`;
}

export async function putBlock(
  kubo: Kubo,
  bytes: Uint8Array,
  codec: string,
  hash = "sha2-256",
): Promise<string> {
  const { Key } = await kubo.json<{ Key: string }>(`block/put?cid-codec=${codec}&mhtype=${hash}`, { bytes });
  return Key;
}
