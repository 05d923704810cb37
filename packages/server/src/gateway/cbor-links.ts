import { CID } from "multiformats/cid";

const BYTES = 2;
const TEXT = 3;
const TAG = 6;
const SIMPLE = 7;
const LINK_TAG = 42;
/** A link is a byte string: this prefix, then the CID. */
const IDENTITY_MULTIBASE_BYTES = 1;

/**
 * The links in a dag-cbor block, in the order of its bytes. A decoded object has its keys in another order when some look
 * like numbers.
 *
 * @param bytes a block that a decoder has accepted; for others the result means nothing.
 * @see https://ipld.io/specs/codecs/dag-cbor/spec/#links
 */
export function cborLinks(bytes: Uint8Array): CID[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const links: CID[] = [];
  let isLink = false;
  for (let at = 0; at < bytes.byteLength;) {
    const { major, value, headBytes } = headAt(view, at);
    at += headBytes;
    // Lists, maps and tags are followed by what they contain: reading on is all there is to do.
    if (major === BYTES || major === TEXT) {
      const end = at + value;
      if (isLink) links.push(CID.decode(bytes.subarray(at + IDENTITY_MULTIBASE_BYTES, end)));
      at = end;
    }
    isLink = major === TAG && value === LINK_TAG;
  }
  return links;
}

/** Lengths beyond 2^53 do not occur in a block of some megabytes. */
function headAt(view: DataView, at: number): { major: number; value: number; headBytes: number } {
  const first = view.getUint8(at);
  const major = first >> 5;
  const info = first & 0x1f;
  if (info < 24) return { major, value: info, headBytes: 1 };
  const extraBytes = 2 ** (info - 24);
  if (major === SIMPLE) return { major, value: 0, headBytes: 1 + extraBytes };
  switch (extraBytes) {
    case 1:
      return { major, value: view.getUint8(at + 1), headBytes: 2 };
    case 2:
      return { major, value: view.getUint16(at + 1), headBytes: 3 };
    case 4:
      return { major, value: view.getUint32(at + 1), headBytes: 5 };
    default:
      return { major, value: Number(view.getBigUint64(at + 1)), headBytes: 9 };
  }
}
