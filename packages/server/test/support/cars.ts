import type { CID } from "multiformats/cid";
import type { Block } from "../../src/content/block-store.ts";
import { encodeCarHeader, encodeCarSection } from "../../src/content/car-writer.ts";
import { DAG_CBOR, encodeCbor } from "../../src/content/dag-cbor.ts";
import type { DagNode } from "../../src/content/dag-node.ts";
import { cidOf } from "./blocks.ts";

const DAG_CBOR_CODE = 0x71;

export function carOf(roots: readonly CID[], blocks: readonly Block[]): Uint8Array<ArrayBuffer> {
  const sections = blocks.map(({ cid, bytes }) => encodeCarSection(cid, bytes));
  return Uint8Array.from(Buffer.concat([encodeCarHeader(roots), ...sections]));
}

export function dagCborBlock(value: Readonly<Record<string, DagNode>>): Block {
  const bytes = encodeCbor(new Map(Object.entries(value)), DAG_CBOR);
  return { cid: cidOf(bytes, DAG_CBOR_CODE), bytes };
}

export interface V2Options {
  readonly dataOffset?: number;
  readonly dataBytes?: number;
  readonly padding?: number;
  readonly index?: Uint8Array;
}

/** Wraps the data in a CAR of version 2; what the header claims can differ from what is there. */
export function carV2Of(data: Uint8Array, options: V2Options = {}): Uint8Array<ArrayBuffer> {
  const { padding = 0, index = new Uint8Array() } = options;
  const header = Buffer.alloc(51 + padding);
  header.set(Buffer.from("0aa16776657273696f6e02", "hex"));
  header.writeBigUInt64LE(BigInt(options.dataOffset ?? 51 + padding), 27);
  header.writeBigUInt64LE(BigInt(options.dataBytes ?? data.byteLength), 35);
  header.writeBigUInt64LE(BigInt(51 + padding + data.byteLength), 43);
  return Uint8Array.from(Buffer.concat([header, data, index]));
}

/** In pieces of a given size, as a network would deliver them. */
export async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
