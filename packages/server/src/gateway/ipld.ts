import * as dagCbor from "@ipld/dag-cbor";
import * as dagJson from "@ipld/dag-json";
import { HoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { cborLinks } from "./cbor-links.ts";
import { CBOR, DAG_CBOR, DAG_JSON, DAG_PB, JSON_CODEC, RAW } from "./codecs.ts";
import { decodeDagPb } from "./unixfs-node.ts";

/**
 * The value of a document's block.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for what is not a document or not valid.
 */
export function decodeDocument(cid: CID, bytes: Uint8Array): unknown {
  try {
    switch (cid.code) {
      case DAG_CBOR:
      case CBOR:
        return dagCbor.decode(bytes);
      case DAG_JSON:
        return dagJson.decode(bytes);
      case JSON_CODEC:
        return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
      default:
        break;
    }
  } catch (cause) {
    throw new HoldfastError("CONTENT_UNSUPPORTED", `${cid.toString()} is not valid in its codec`, { cause });
  }
  throw new HoldfastError(
    "CONTENT_UNSUPPORTED",
    `${cid.toString()} has the codec 0x${cid.code.toString(16)}, which has no fields`,
  );
}

/** The value behind a name in a map, or behind an index in a list; undefined when there is none. */
export function fieldOf(value: unknown, segment: string): unknown {
  if (Array.isArray(value))
    return /^(?:0|[1-9]\d{0,9})$/.test(segment) ? (value[Number(segment)] as unknown) : undefined;
  if (
    typeof value !== "object" ||
    value === null ||
    value instanceof Uint8Array ||
    linkOf(value) !== undefined
  )
    return undefined;
  return Object.hasOwn(value, segment) ? (value as Readonly<Record<string, unknown>>)[segment] : undefined;
}

/** The CID, when a value is a link. */
export function linkOf(value: unknown): CID | undefined {
  return CID.asCID(value) ?? undefined;
}

/**
 * The links of a block, in the order in which they stand in it: a CAR that promises depth-first order is checked by that.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for another codec and for an invalid block.
 */
export function linksOf(cid: CID, bytes: Uint8Array): readonly CID[] {
  switch (cid.code) {
    case RAW:
    case JSON_CODEC:
    case CBOR:
      return [];
    case DAG_PB:
      return decodeDagPb(cid, bytes).links.map((link) => link.cid);
    case DAG_CBOR:
      decodeDocument(cid, bytes);
      return cborLinks(bytes);
    case DAG_JSON:
      decodeDocument(cid, bytes);
      return dagJsonLinks(bytes);
    default:
      throw new HoldfastError(
        "CONTENT_UNSUPPORTED",
        `links of the codec 0x${cid.code.toString(16)} cannot be followed here; dag-scope=block gives ${cid.toString()} alone`,
      );
  }
}

/** A decoded object has its keys in another order when some look like numbers, so the text is read. It is known to be valid. */
function dagJsonLinks(bytes: Uint8Array): CID[] {
  const links: CID[] = [];
  const token = /\{\s*"\/"\s*:\s*"([^"\\]*)"\s*\}|"(?:[^"\\]|\\.)*"/gs;
  for (const [, text] of new TextDecoder().decode(bytes).matchAll(token)) {
    if (text !== undefined) links.push(CID.parse(text));
  }
  return links;
}
