import { decode, encode, type PBLink } from "@ipld/dag-pb";
import type { CID } from "multiformats/cid";
import { type DagMap, type DagNode, invalidNode, isLink, isList, isMap } from "./dag-node.ts";

/**
 * DAG-PB as a value of the data model: a map of `Data` (bytes) and `Links`, each a map of `Hash`, `Name` and `Tsize`.
 *
 * @see https://ipld.io/specs/codecs/dag-pb/spec/#logical-format
 */

/** @throws HoldfastError `INVALID_ARGUMENT`. */
export function decodeDagPb(bytes: Uint8Array): DagNode {
  const { Data, Links } = decodeNode(bytes);
  assertIsWhole(bytes, { Data, Links });
  const node = new Map<string, DagNode>();
  if (Data !== undefined) node.set("Data", Data);
  return node.set("Links", Links.map(linkToMap));
}

/** In their order. @throws HoldfastError `INVALID_ARGUMENT`. */
export function linksOfDagPb(bytes: Uint8Array): CID[] {
  return decodeNode(bytes).Links.map(({ Hash }) => Hash);
}

function decodeNode(bytes: Uint8Array): ReturnType<typeof decode> {
  try {
    return decode(bytes);
  } catch (cause) {
    throw invalidNode(`malformed DAG-PB: ${cause instanceof Error ? cause.message : "unreadable"}`, cause);
  }
}

/** The library repairs names that are not UTF-8 and drops byte order marks, which would store something else than was sent. */
function assertIsWhole(
  bytes: Uint8Array,
  { Data, Links }: { readonly Data: Uint8Array | undefined; readonly Links: readonly PBLink[] },
): void {
  const links = Links.map((link) => encode({ Links: [link] }));
  const content = Data === undefined ? [] : [encode({ Data, Links: [] })];
  const isSame = [
    [...links, ...content],
    [...content, ...links],
  ].some((pieces) => Buffer.compare(Buffer.concat(pieces), bytes) === 0);
  if (!isSame) throw invalidNode("malformed DAG-PB: a name that is not UTF-8, or a number in a longer form");
}

function linkToMap({ Hash, Name, Tsize }: PBLink): DagMap {
  const link = new Map<string, DagNode>([["Hash", Hash]]);
  if (Name !== undefined) link.set("Name", Name);
  if (Tsize !== undefined) link.set("Tsize", BigInt(Tsize));
  return link;
}

/** Links are sorted by name. @throws HoldfastError `INVALID_ARGUMENT` for what is not a DAG-PB node. */
export function encodeDagPb(node: DagNode): Uint8Array {
  const fields = fieldsOf(node, "a DAG-PB node", ["Data", "Links"]);
  const links = fields.get("Links");
  const bytes = fields.get("Data");
  if (!isList(links)) throw invalidNode("a DAG-PB node needs a list of Links");
  if (bytes !== undefined && !(bytes instanceof Uint8Array))
    throw invalidNode("Data of DAG-PB must be bytes");
  const Links = links
    .map(mapToLink)
    .map((link) => ({ link, name: Buffer.from(link.Name ?? "") }))
    .toSorted((a, b) => Buffer.compare(a.name, b.name))
    .map(({ link }) => link);
  return encode(bytes === undefined ? { Links } : { Data: bytes, Links });
}

function mapToLink(node: DagNode): PBLink {
  const fields = fieldsOf(node, "a link of DAG-PB", ["Hash", "Name", "Tsize"]);
  const [hash, name, tsize] = [fields.get("Hash"), fields.get("Name"), fields.get("Tsize")];
  if (!isLink(hash)) throw invalidNode("a link of DAG-PB needs a Hash that is a link");
  if (name !== undefined && typeof name !== "string") throw invalidNode("Name of a DAG-PB link must be text");
  const isSize =
    tsize === undefined ||
    (typeof tsize === "bigint" && tsize >= 0n && tsize <= BigInt(Number.MAX_SAFE_INTEGER));
  if (!isSize) throw invalidNode("Tsize of a DAG-PB link must be a size");
  return {
    Hash: hash,
    ...(name === undefined ? {} : { Name: name }),
    ...(tsize === undefined ? {} : { Tsize: Number(tsize) }),
  };
}

function fieldsOf(node: DagNode, what: string, known: readonly string[]): DagMap {
  if (!isMap(node)) throw invalidNode(`${what} must be a map`);
  for (const key of node.keys()) {
    if (!known.includes(key)) throw invalidNode(`${what} has no field ${JSON.stringify(key.slice(0, 100))}`);
  }
  return node;
}
