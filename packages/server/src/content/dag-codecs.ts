import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { DAG_CBOR, decodeCbor, encodeCbor, PLAIN_CBOR } from "./dag-cbor.ts";
import { DAG_JSON, decodeJson, encodeJson, PLAIN_JSON } from "./dag-json.ts";
import { type DagNode, invalidNode, linksOfNode } from "./dag-node.ts";
import { decodeDagPb, encodeDagPb, linksOfDagPb } from "./dag-pb.ts";

interface DagCodec {
  readonly code: number;
  readonly decode: (bytes: Uint8Array) => DagNode;
  readonly encode: (node: DagNode) => Uint8Array;
  /** Absent: blocks of this codec have no links. */
  readonly linksOf?: (bytes: Uint8Array) => CID[];
}

/** What `dag/put` takes and makes, and what a DAG can be walked through. */
const CODECS: ReadonlyMap<string, DagCodec> = new Map<string, DagCodec>([
  ["raw", { code: 0x55, decode: (bytes) => bytes, encode: bytesOfNode }],
  ["dag-pb", { code: 0x70, decode: decodeDagPb, encode: encodeDagPb, linksOf: linksOfDagPb }],
  [
    "dag-cbor",
    {
      code: 0x71,
      decode: (bytes) => decodeCbor(bytes, DAG_CBOR),
      encode: (node) => encodeCbor(node, DAG_CBOR),
      linksOf: (bytes) => linksOfNode(decodeCbor(bytes, DAG_CBOR, { skipsText: true })),
    },
  ],
  [
    "dag-json",
    {
      code: 0x0129,
      decode: (bytes) => decodeJson(bytes, DAG_JSON),
      encode: (node) => encodeJson(node, DAG_JSON),
      linksOf: (bytes) => linksOfNode(decodeJson(bytes, DAG_JSON)),
    },
  ],
  [
    "cbor",
    {
      code: 0x51,
      decode: (bytes) => decodeCbor(bytes, PLAIN_CBOR),
      encode: (node) => encodeCbor(node, PLAIN_CBOR),
    },
  ],
  [
    "json",
    {
      code: 0x0200,
      decode: (bytes) => decodeJson(bytes, PLAIN_JSON),
      encode: (node) => encodeJson(node, PLAIN_JSON),
    },
  ],
]);

const BY_CODE: ReadonlyMap<number, DagCodec> = new Map(
  [...CODECS.values()].map((codec) => [codec.code, codec]),
);

/** Codecs that a CID may have without their blocks being understood here: `block/put` stores bytes. */
const OPAQUE_CODES: ReadonlyMap<string, number> = new Map([
  ["libp2p-key", 0x72],
  ["git-raw", 0x78],
  ["dag-jose", 0x85],
]);

/**
 * The code of a codec by its name in the multicodec table, or by its number (`113`, `0x71`).
 *
 * @throws HoldfastError `INVALID_ARGUMENT`.
 * @see https://github.com/multiformats/multicodec/blob/master/table.csv
 */
export function codecCodeOf(text: string): number {
  const named = CODECS.get(text)?.code ?? OPAQUE_CODES.get(text);
  const code = named ?? (/^(?:0x[0-9a-f]{1,8}|\d{1,9})$/i.test(text) ? Number(text) : Number.NaN);
  const isKnown = BY_CODE.has(code) || [...OPAQUE_CODES.values()].includes(code);
  if (!isKnown) throw invalidNode(`unknown multicodec: ${JSON.stringify(text.slice(0, 50))}`);
  return code;
}

/** Whether blocks of this codec cannot link to others. */
export function isLeafCodec(code: number): boolean {
  const codec = BY_CODE.get(code);
  return codec !== undefined && codec.linksOf === undefined;
}

/**
 * Re-encodes what Kubo's `dag/put` re-encodes: also when both codecs are the same, which sorts keys and shortens nothing else.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when the bytes are not of the first codec, or the second cannot hold the value;
 *   for a codec that is not offered.
 */
export function transcode(
  bytes: Uint8Array,
  codecs: { readonly inputCode: number; readonly storeCode: number },
): Uint8Array {
  const [input, store] = [BY_CODE.get(codecs.inputCode), BY_CODE.get(codecs.storeCode)];
  if (input === undefined)
    throw invalidNode(`no decoder for the multicodec 0x${codecs.inputCode.toString(16)}`);
  if (store === undefined)
    throw invalidNode(`no encoder for the multicodec 0x${codecs.storeCode.toString(16)}`);
  return store.encode(input.decode(bytes));
}

/**
 * The links of a block in their order, repeated ones too.
 *
 * @throws HoldfastError `CONTENT_UNSUPPORTED` for a codec whose links cannot be read, `INVALID_ARGUMENT` for a malformed block.
 */
export function linksOf(cid: CID, bytes: Uint8Array): CID[] {
  const codec = BY_CODE.get(cid.code);
  if (codec === undefined) {
    throw new HoldfastError(
      "CONTENT_UNSUPPORTED",
      `no decoder for the multicodec 0x${cid.code.toString(16)}`,
    );
  }
  return codec.linksOf?.(bytes) ?? [];
}

function bytesOfNode(node: DagNode): Uint8Array {
  if (!(node instanceof Uint8Array)) throw invalidNode("only bytes can be stored raw");
  return node;
}
