/** Multicodec numbers. @see https://github.com/multiformats/multicodec/blob/master/table.csv */
export const RAW = 0x55;
export const DAG_PB = 0x70;
export const CBOR = 0x51;
export const DAG_CBOR = 0x71;
export const JSON_CODEC = 0x0200;
export const DAG_JSON = 0x0129;

/** Blocks of these codecs are documents that are answered as they are. */
export type DocumentFormat = "json" | "cbor" | "dag-json" | "dag-cbor";

const FORMAT_BY_CODEC: ReadonlyMap<number, DocumentFormat> = new Map([
  [JSON_CODEC, "json"],
  [CBOR, "cbor"],
  [DAG_JSON, "dag-json"],
  [DAG_CBOR, "dag-cbor"],
]);

/** The format that a block of this codec has without conversion; undefined for what is not a document. */
export function documentFormatOf(codec: number): DocumentFormat | undefined {
  return FORMAT_BY_CODEC.get(codec);
}
