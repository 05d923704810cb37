/**
 * The two DNS messages that DNS over HTTPS needs here: a question for TXT records, and its answer.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1035#section-4
 */

const HEADER_BYTES = 12;
const TYPE_TXT = 16;
const CLASS_IN = 1;
const RECURSION_DESIRED = 0x0100;
const IS_RESPONSE = 0x8000;
const RCODE_NAME_ERROR = 3;

/** The bytes are no answer that we can use; the message says why. */
export class DnsMessageError extends Error {
  override readonly name = "DnsMessageError";
}

/** Its id is 0, so that HTTP caches can keep the answer. @param name labels of 1 to 63 ASCII characters. */
export function encodeTxtQuestion(name: string): Uint8Array {
  const labels = name.split(".").map((label) => Buffer.from(label, "latin1"));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(RECURSION_DESIRED, 2);
  header.writeUInt16BE(1, 4);
  const end = Buffer.from([0, 0, TYPE_TXT, 0, CLASS_IN]);
  return Buffer.concat([header, ...labels.flatMap((label) => [Buffer.from([label.byteLength]), label]), end]);
}

export interface TxtAnswer {
  /** One for each TXT record, its strings joined, read as UTF-8. */
  readonly texts: readonly string[];
  /** The shortest of the answer: aliases on the way count. Undefined when there is no record. */
  readonly ttlS: number | undefined;
}

/**
 * Reads an answer. A name that does not exist has no texts.
 *
 * @throws DnsMessageError for malformed bytes, and when the server could not answer.
 */
export function decodeTxtAnswer(bytes: Uint8Array): TxtAnswer {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < HEADER_BYTES) throw new DnsMessageError("shorter than its header");
  const flags = view.readUInt16BE(2);
  if ((flags & IS_RESPONSE) === 0) throw new DnsMessageError("no response");
  const rcode = flags & 0x000f;
  if (rcode === RCODE_NAME_ERROR) return { texts: [], ttlS: undefined };
  if (rcode !== 0) throw new DnsMessageError(`the server answers with code ${rcode}`);
  let at = HEADER_BYTES;
  for (let i = view.readUInt16BE(4); i > 0; i--) at = endOfName(view, at) + 4;
  const texts: string[] = [];
  let ttlS: number | undefined;
  for (let i = view.readUInt16BE(6); i > 0; i--) {
    const fixed = endOfName(view, at);
    if (fixed + 10 > view.byteLength) throw new DnsMessageError("a record is cut off");
    const type = view.readUInt16BE(fixed);
    const dataAt = fixed + 10;
    at = dataAt + view.readUInt16BE(fixed + 8);
    if (at > view.byteLength) throw new DnsMessageError("the data of a record is cut off");
    // A TTL with its highest bit set counts as 0.
    const ownTtlS = Math.max(0, view.readInt32BE(fixed + 4));
    ttlS = Math.min(ttlS ?? ownTtlS, ownTtlS);
    if (type === TYPE_TXT) texts.push(joinedStrings(view.subarray(dataAt, at)));
  }
  return { texts, ttlS };
}

/** Names are passed over, not read: an answer to our question is about no other. A pointer ends a name. */
function endOfName(view: Buffer, start: number): number {
  for (let at = start; at < view.byteLength;) {
    const length = view.readUInt8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) break;
    at += 1 + length;
  }
  throw new DnsMessageError("a name is malformed");
}

function joinedStrings(data: Buffer): string {
  const strings: Buffer[] = [];
  for (let at = 0; at < data.byteLength;) {
    const length = data.readUInt8(at);
    if (at + 1 + length > data.byteLength) throw new DnsMessageError("a text is cut off");
    strings.push(data.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return Buffer.concat(strings).toString("utf8");
}
