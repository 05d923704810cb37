import type { Deadline } from "./deadline.ts";

/**
 * Reads a body to its end, into a buffer of its own. One that ends before its Content-Length rejects: the platform sees to that.
 *
 * @throws Error when there are more than `bytesMax` bytes; the deadline's reason.
 */
export async function readBody(
  reader: Pick<ReadableStreamDefaultReader<Uint8Array>, "read"> | undefined,
  bytesMax: number,
  deadline: Deadline,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bodyBytes = 0;
  while (reader !== undefined) {
    const { done, value } = await deadline.orExpired(reader.read());
    if (done) break;
    bodyBytes += value.byteLength;
    if (bodyBytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(value);
  }
  const bytes = new Uint8Array(bodyBytes);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

export function tooLarge(bytesMax: number): Error {
  return new Error(`more than ${bytesMax} bytes`);
}
