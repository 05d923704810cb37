import fc from "fast-check";
import { expect, test } from "vitest";
import { readLines } from "./read-lines.ts";

const BOUNDS = { lineBytesMax: 100, bytesMax: 1_000 };
/** No deadline: the step itself. */
const deadline = { orExpired: <T>(step: Promise<T>): Promise<T> => step };

async function linesOf(chunks: readonly Uint8Array[], bounds = BOUNDS): Promise<string[]> {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const lines: string[] = [];
  for await (const line of readLines(stream.getReader(), deadline, bounds)) lines.push(line);
  return lines;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("lines come without their ends, the last one also when it has none, and empty ones are left out", async () => {
  expect(await linesOf([bytes('{"a":1}\n\n{"b":2}\n{"c":3}')])).toEqual(['{"a":1}', '{"b":2}', '{"c":3}']);
  expect(await linesOf([])).toEqual([]);
});

test("how the body is cut into chunks does not matter, also within a character", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom("a", "ü", "🙂", " ") }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      async (lines, sizes) => {
        const body = bytes(lines.map((line) => `${line}\n`).join(""));
        const chunks: Uint8Array[] = [];
        for (let at = 0, i = 0; at < body.byteLength; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          chunks.push(body.subarray(at, (at += size)));
        }
        expect(await linesOf(chunks)).toEqual(lines.filter((line) => line !== ""));
      },
    ),
    { seed: 20_261_125 },
  );
});

test("a line or a body that is too long, and what is not UTF-8, is refused", async () => {
  await expect(linesOf([bytes("a".repeat(101))])).rejects.toThrow("a line of more than 100 bytes");
  await expect(linesOf([bytes(`${"a".repeat(99)}\n`.repeat(11))])).rejects.toThrow("more than 1000 bytes");
  await expect(linesOf([Uint8Array.of(0xff, 0x0a)])).rejects.toThrow(TypeError);
  await expect(linesOf([Uint8Array.of(0xc3)])).rejects.toThrow(TypeError);
});
