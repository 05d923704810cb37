export type PlaceKind =
  | "file"
  | "directory"
  | "index"
  | "sharded"
  | "symlink"
  | "dag-cbor"
  | "dag-json"
  | "cbor"
  | "json"
  | "other-codec"
  | "field"
  | "missing"
  | "name";

/** Something that can be asked for. */
export interface Place {
  /** Encoded, without a slash at its end. */
  readonly path: string;
  readonly kind: PlaceKind;
  /** The CID that it leads to, when it leads anywhere. */
  readonly cid?: string;
  /** Of the file. */
  readonly size?: number;
}
