import { parseCid } from "@holdfast/core";

export interface CarFacts {
  /** The header as it came: the roots and the version in one comparable text. */
  readonly header: string;
  /** `cid:hash of bytes` of each block, in order. */
  readonly blocks: readonly string[];
}

/** Reads a CARv1 far enough to compare it. Throws for what is none, or ends within a block. */
export function readCar(body: Buffer): CarFacts {
  let at = 0;
  const frame = (): Buffer => {
    let length = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = body[at++];
      if (byte === undefined) throw new Error("the CAR ends in a length");
      length += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    if (at + length > body.byteLength) throw new Error("the CAR ends in a frame");
    at += length;
    return body.subarray(at - length, at);
  };
  const header = frame().toString("hex");
  const blocks: string[] = [];
  while (at < body.byteLength) {
    const block = frame();
    const cidBytes = cidBytesOf(block);
    blocks.push(`${cidBytes.toString("hex")}:${block.subarray(cidBytes.byteLength).toString("base64")}`);
  }
  return { header, blocks };
}

function cidBytesOf(block: Buffer): Buffer {
  // CIDv0 is a bare sha2-256 multihash.
  if (block[0] === 0x12 && block[1] === 0x20) return block.subarray(0, 34);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = block[at++];
      if (byte === undefined) throw new Error("the CAR has a block without a CID");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  varint();
  varint();
  varint();
  const digestBytes = varint();
  return block.subarray(0, at + digestBytes);
}

/** A CARv1 without blocks of which anybody would ask the order; `roots` is the identity CID of nothing. */
export function makeCar(blocks: readonly { readonly cid: string; readonly bytes: Uint8Array }[]): Buffer {
  const root = parseCid("bafkqaaa").bytes;
  // {"roots": [42(h'00…')], "version": 1}
  const header = Buffer.concat([
    Buffer.from("a265726f6f747381d82a", "hex"),
    Buffer.from([0x40 | (root.byteLength + 1), 0]),
    root,
    Buffer.from("6776657273696f6e01", "hex"),
  ]);
  const frames = blocks.map(({ cid, bytes }) => framed(Buffer.concat([parseCid(cid).bytes, bytes])));
  return Buffer.concat([framed(header), ...frames]);
}

function framed(bytes: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = bytes.byteLength;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) length.push((rest % 0x80) | 0x80);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

const TAR_BLOCK_BYTES = 512;

/** One comparable text for each entry of a TAR: what it is and holds, without times and owners. Throws for what is no TAR. */
export function readTar(body: Buffer): string[] {
  const entries: string[] = [];
  let pax: ReadonlyMap<string, string> = new Map();
  let at = 0;
  for (; at + TAR_BLOCK_BYTES <= body.byteLength;) {
    const head = body.subarray(at, at + TAR_BLOCK_BYTES);
    if (head.every((byte) => byte === 0)) return entries;
    const text = (from: number, length: number): string =>
      head
        .subarray(from, from + length)
        .toString("utf8")
        .replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 12).trim() || "0", 8);
    const content = body.subarray(at + TAR_BLOCK_BYTES, at + TAR_BLOCK_BYTES + size);
    at += TAR_BLOCK_BYTES * (1 + Math.ceil(size / TAR_BLOCK_BYTES));
    const flag = text(156, 1) || "0";
    if (flag === "x") {
      pax = paxOf(content.toString("utf8"));
      continue;
    }
    if (flag === "g") continue;
    const prefix = text(345, 155);
    const path = pax.get("path") ?? (prefix === "" ? text(0, 100) : `${prefix}/${text(0, 100)}`);
    entries.push(
      JSON.stringify({
        path: path.replace(/\/$/, ""),
        flag,
        link: pax.get("linkpath") ?? text(157, 100),
        content: content.toString("base64"),
      }),
    );
    pax = new Map();
  }
  throw new Error("the TAR has no end");
}

function paxOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/\d+ ([^=\n]+)=([^\n]*)\n/g)].map(([, key = "", value = ""]): [string, string] => [
      key,
      value,
    ]),
  );
}
