import { describe, expect, it } from "vitest";
import { Captures } from "./captures.ts";

const bytesOf = (n: number): Uint8Array => Uint8Array.of(n & 255, n >> 8);
const KEY = bytesOf(7);

describe("Captures", () => {
  it("posts a record once, and the same bytes of another name as well", () => {
    const posted: Uint8Array[] = [];
    const captures = new Captures((key) => posted.push(key));
    captures.add(KEY, bytesOf(1));
    captures.add(KEY, bytesOf(1));
    captures.add(bytesOf(8), bytesOf(1));
    expect(posted).toEqual([KEY, bytesOf(8)]);
  });

  it("does not post what we are putting ourselves", () => {
    const posted: Uint8Array[] = [];
    const captures = new Captures((_key, record) => posted.push(record));
    captures.ignore(KEY, bytesOf(1));
    captures.add(KEY, bytesOf(1));
    captures.add(KEY, bytesOf(2));
    expect(posted).toEqual([bytesOf(2)]);
  });

  it("drops and counts what the main thread does not keep up with; a dropped record may come again", () => {
    let posted = 0;
    const captures = new Captures(() => posted++);
    for (let i = 0; i < 300; i++) captures.add(KEY, bytesOf(i));
    expect({ posted, dropped: captures.dropped }).toEqual({ posted: 256, dropped: 44 });
    captures.taken();
    captures.add(KEY, bytesOf(299));
    expect({ posted, dropped: captures.dropped }).toEqual({ posted: 257, dropped: 44 });
  });

  it("posts copies whose buffers hold nothing else", () => {
    const posted: Uint8Array[] = [];
    const captures = new Captures((key, record) => posted.push(key, record));
    const whole = new Uint8Array(100);
    captures.add(whole.subarray(0, 10), whole.subarray(10, 30));
    expect(posted.map((p) => p.buffer.byteLength)).toEqual([10, 20]);
  });
});
