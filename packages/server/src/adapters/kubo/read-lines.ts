import type { Deadline } from "../http-client/deadline.ts";

/**
 * The lines of a body, without their ends and without empty ones.
 *
 * @throws Error when a line or the body is too long, or is not UTF-8; the deadline's reason.
 */
export async function* readLines(
  reader: Pick<ReadableStreamDefaultReader<Uint8Array>, "read"> | undefined,
  deadline: Pick<Deadline, "orExpired">,
  { lineBytesMax, bytesMax }: { readonly lineBytesMax: number; readonly bytesMax: number },
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bodyBytes = 0;
  let rest = "";
  while (reader !== undefined) {
    const { done, value } = await deadline.orExpired(reader.read());
    if (done) break;
    bodyBytes += value.byteLength;
    if (bodyBytes > bytesMax) throw new Error(`more than ${bytesMax} bytes`);
    const lines = decoder.decode(value, { stream: true }).split("\n");
    lines[0] = rest + (lines[0] ?? "");
    rest = lines.pop() ?? "";
    if (rest.length > lineBytesMax) throw new Error(`a line of more than ${lineBytesMax} bytes`);
    for (const line of lines) if (line !== "") yield line;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
