import type { FastifyReply } from "fastify";
import { sendStream } from "../send-answer.ts";

/** A JSON object a line, in Kubo's form. As bytes: to text the framework would add a charset to the type. */
export function sendJsonLines(
  reply: FastifyReply,
  values: readonly Readonly<Record<string, unknown>>[],
): void {
  reply.header("Content-Type", "application/json").header("X-Chunked-Output", "1");
  reply.header("Cache-Control", "no-store");
  reply.send(Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join("")));
}

/**
 * Sends chunks as they come. What fails before the first one is thrown and gets a status; what fails later breaks the
 * transfer, for a body must not end cleanly unless all of it was sent (P8).
 */
export async function sendChunks(
  reply: FastifyReply,
  chunks: AsyncIterable<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
  reply.hijack();
  reply.raw.writeHead(200);
  await sendStream(reply.raw, resumed(first, iterator));
}

async function* resumed(
  first: IteratorResult<Uint8Array>,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}
