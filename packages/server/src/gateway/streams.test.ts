import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { WHOLE_BODY_BYTES_MAX } from "./answer.ts";
import { collect, StartedBody } from "./streams.ts";

async function* chunks(...all: readonly (string | Promise<unknown>)[]): AsyncGenerator<Uint8Array> {
  for (const one of all) {
    if (typeof one === "string") yield Buffer.from(one);
    else await one;
  }
}

async function wholeOrStream(body: AsyncIterable<Uint8Array>, clock: ManualClock, hasRetrieved = false) {
  return (await StartedBody.of(body)).wholeOrStream({ clock, hasRetrieved });
}

test("a small body that comes at once is whole", async () => {
  const body = await wholeOrStream(chunks("a", "b"), new ManualClock());
  expect(body instanceof Uint8Array && Buffer.from(body).toString()).toBe("ab");
});

test("an empty one is whole, and a body tells its first chunk before it is read on", async () => {
  expect(await wholeOrStream(chunks(), new ManualClock())).toEqual(new Uint8Array());
  expect((await StartedBody.of(chunks())).first).toBeUndefined();
  const started = await StartedBody.of(chunks("a", "b"));
  expect(started.first).toEqual(Buffer.from("a"));
  expect(Buffer.from(await collect(started.stream())).toString()).toBe("ab");
});

test("a large one is a stream from its beginning", async () => {
  const part = "x".repeat(WHOLE_BODY_BYTES_MAX);
  const body = await wholeOrStream(chunks(part, part, "end"), new ManualClock());
  if (body instanceof Uint8Array) throw new Error("it should be a stream");
  expect((await collect(body)).byteLength).toBe(2 * WHOLE_BODY_BYTES_MAX + 3);
});

test("a slow one is sent as it comes, but not before its first chunk", async () => {
  const clock = new ManualClock();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const starting = StartedBody.of(chunks(gates[0].promise, "a", gates[1].promise, "b"));
  await clock.advance(1000);
  gates[0].resolve();
  const deciding = (await starting).wholeOrStream({ clock, hasRetrieved: false });
  await clock.advance(1000);
  const body = await deciding;
  if (body instanceof Uint8Array) throw new Error("it should be a stream");
  gates[1].resolve();
  expect(Buffer.from(await collect(body)).toString()).toBe("ab");
});

test("the rest of one that has to be retrieved is not waited for, unless it is there already", async () => {
  const gate = Promise.withResolvers<void>();
  // No time passes.
  const body = await wholeOrStream(chunks("a", gate.promise, "b"), new ManualClock(), true);
  if (body instanceof Uint8Array) throw new Error("it should be a stream");
  gate.resolve();
  expect(Buffer.from(await collect(body)).toString()).toBe("ab");
  expect(await wholeOrStream(chunks("a", "b"), new ManualClock(), true)).toEqual(Buffer.from("ab"));
});

test("what fails early fails before there is a body; what fails later fails in the stream", async () => {
  const clock = new ManualClock();
  await expect(wholeOrStream(chunks("a", Promise.reject(new Error("early"))), clock)).rejects.toThrow(
    "early",
  );
  const gate = Promise.withResolvers<void>();
  const started = await StartedBody.of(chunks("a", gate.promise));
  const deciding = started.wholeOrStream({ clock, hasRetrieved: false });
  await clock.advance(1000);
  const body = await deciding;
  if (body instanceof Uint8Array) throw new Error("it should be a stream");
  gate.reject(new Error("late"));
  await expect(collect(body)).rejects.toThrow("late");
  await expect(StartedBody.of(chunks(Promise.reject(new Error("first"))))).rejects.toThrow("first");
});

test("a reader that leaves ends the source, whenever it leaves", async () => {
  let ended = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.from("x");
    } finally {
      ended++;
    }
  }
  for await (const _ of (await StartedBody.of(source())).stream()) break;
  expect(ended).toBe(1);
  await (await StartedBody.of(source())).abandon();
  expect(ended).toBe(2);
});
