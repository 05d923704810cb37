/** UnixFS data messages made by hand, for the nodes that Kubo's `add` never makes. @see https://specs.ipfs.tech/unixfs/ */

const TYPES = { raw: 0, directory: 1, file: 2, metadata: 3, symlink: 4 } as const;

export interface UnixfsFacts {
  readonly type: keyof typeof TYPES;
  readonly data?: Uint8Array;
  readonly fileSize?: number;
  readonly blockSizes?: readonly number[];
  readonly mode?: number;
  readonly mtimeS?: number;
}

export function unixfsBytes({
  type,
  data,
  fileSize,
  blockSizes = [],
  mode,
  mtimeS,
}: UnixfsFacts): Uint8Array {
  return Buffer.concat([
    number(1, TYPES[type]),
    ...(data === undefined ? [] : [bytes(2, data)]),
    ...(fileSize === undefined ? [] : [number(3, fileSize)]),
    ...blockSizes.map((size) => number(4, size)),
    ...(mode === undefined ? [] : [number(7, mode)]),
    ...(mtimeS === undefined ? [] : [bytes(8, number(1, mtimeS))]),
  ]);
}

export interface PbLink {
  readonly name?: string;
  readonly cidBytes: Uint8Array;
  readonly size: number;
}

/** A dag-pb block: the links, then the data. @see https://ipld.io/specs/codecs/dag-pb/spec/ */
export function dagPbBytes(links: readonly PbLink[], data: Uint8Array | undefined): Uint8Array {
  const linkBytes = links.map(({ name = "", cidBytes, size }) =>
    bytes(2, Buffer.concat([bytes(1, cidBytes), bytes(2, Buffer.from(name, "utf8")), number(3, size)])),
  );
  return Buffer.concat([...linkBytes, ...(data === undefined ? [] : [bytes(1, data)])]);
}

export function varint(value: number): Uint8Array {
  const encoded: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) encoded.push((rest % 0x80) | 0x80);
  return Uint8Array.from([...encoded, rest]);
}

function number(field: number, value: number): Uint8Array {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

function bytes(field: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([varint((field << 3) | 2), varint(value.byteLength), value]);
}
