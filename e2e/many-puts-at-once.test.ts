import { decodeRecord } from "@holdfast/core";
import { expect, test } from "vitest";
import { createPublisher, getRecord, putRecord, sequenceOf } from "./support/names.ts";
import { startNode } from "./support/start-node.ts";

test("200 concurrent puts of shuffled sequences for one name end at the highest, and every answer was true", async () => {
  await using node = await startNode({ env: { HOLDFAST_NETWORK: "offline" } });
  const publisher = createPublisher();
  // Each number below 200 once: 73 has no divisor in common with it.
  const shuffled = await Promise.all(
    Array.from({ length: 200 }, (_, i) => publisher.record("/ipfs/bafkqaaa", BigInt((i * 73) % 200))),
  );
  const answers = await Promise.all(
    shuffled.map(async (record) => {
      const answer = await putRecord(node.publicUrl, publisher.name, record);
      const body = (await answer.json()) as { Message?: string; Sequence?: string | number; Extra?: string };
      // R5: the very next read sees this record or a better one.
      const seen = sequenceOf(await getRecord(node.publicUrl, publisher.name.text));
      return {
        sequence: decodeRecord(record).sequence,
        status: answer.status,
        body,
        seen: BigInt(seen ?? -1),
      };
    }),
  );
  for (const { sequence, status, body, seen } of answers) {
    expect(seen).toBeGreaterThanOrEqual(sequence);
    if (status === 200) continue;
    expect(status).toBe(400);
    expect(body.Message).toContain("sequence");
    expect(BigInt(body.Sequence ?? -1)).toBeGreaterThan(sequence);
    expect(decodeRecord(Buffer.from(body.Extra ?? "", "base64")).sequence).toBe(BigInt(body.Sequence ?? -1));
  }
  expect(answers.find(({ sequence }) => sequence === 199n)?.status).toBe(200);
  expect(sequenceOf(await getRecord(node.publicUrl, publisher.name.text))).toBe("199");
});
