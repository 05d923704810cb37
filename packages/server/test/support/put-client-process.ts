import { createInterface } from "node:readline";

const PUTS_AT_ONCE = 8;

/** What a client was told, and what it saw right after. */
export interface ClientAnswer {
  readonly name: string;
  readonly sequence: string;
  readonly status: number;
  readonly text: string;
  readonly seenSequence: string | null;
}

/**
 * Run as a process: puts the record of each line `NAME SEQUENCE BASE64` of its input, a few at once in the order of the lines, reads
 * the name after each answer, and prints a {@link ClientAnswer} as a line.
 */
export async function putLines(url: string): Promise<void> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const putOneAfterTheOther = async (): Promise<void> => {
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      const [name = "", sequence = "", base64 = ""] = line.value.split(" ");
      const body = Buffer.from(base64, "base64");
      const put = await fetch(`${url}/api/v0/routing/put?arg=/ipns/${name}`, { method: "POST", body });
      const text = await put.text();
      const seen = await fetch(`${url}/api/v0/routing/get?arg=/ipns/${name}`);
      await seen.arrayBuffer();
      const seenSequence = seen.headers.get("x-ipns-sequence");
      const answer: ClientAnswer = { name, sequence, status: put.status, text, seenSequence };
      process.stdout.write(`${JSON.stringify(answer)}\n`);
    }
  };
  await Promise.all(Array.from({ length: PUTS_AT_ONCE }, putOneAfterTheOther));
}
