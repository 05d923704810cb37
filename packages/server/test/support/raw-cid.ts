import { createHash } from "node:crypto";
import { CID } from "multiformats/cid";
import * as raw from "multiformats/codecs/raw";
import { create as createDigest } from "multiformats/hashes/digest";

export function rawCidOf(bytes: Uint8Array): CID {
  return CID.createV1(
    raw.code,
    createDigest(0x12, new Uint8Array(createHash("sha256").update(bytes).digest())),
  );
}
