import type { CID } from "multiformats/cid";
import { DAG_CBOR, encodeCbor } from "./dag-cbor.ts";
import type { DagNode } from "./dag-node.ts";

/** The start of a CAR of version 1. @see https://ipld.io/specs/transport/car/carv1/#header */
export function encodeCarHeader(roots: readonly CID[]): Uint8Array {
  const header = encodeCbor(
    new Map<string, DagNode>([
      ["roots", roots],
      ["version", 1n],
    ]),
    DAG_CBOR,
  );
  return Buffer.concat([encodeVarint(header.byteLength), header]);
}

/** One block with its CID in front. */
export function encodeCarSection(cid: CID, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([encodeVarint(cid.bytes.byteLength + bytes.byteLength), cid.bytes, bytes]);
}

function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
