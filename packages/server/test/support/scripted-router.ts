import type { IpnsName } from "@holdfast/core";
import type { RecordRouter } from "../../src/records/lookup/record-router.ts";

/** One lookup that a test answers by hand. */
export interface ScriptedGet {
  readonly name: IpnsName;
  readonly signal: AbortSignal;
  /** Gives one candidate. */
  answer(recordBytes: Uint8Array): void;
  /** Ends the query. */
  end(): void;
  fail(err: Error): void;
}

/**
 * The network as a test wants it. By default it knows what is in `records` and ends at once; with `manual` each lookup
 * waits in `gets` for the test to answer it. Passes the RecordRouter contract in its default mode.
 */
export class ScriptedRouter implements RecordRouter {
  readonly label: string;
  readonly records = new Map<string, readonly Uint8Array[]>();
  readonly gets: ScriptedGet[] = [];
  readonly puts: { readonly name: IpnsName; readonly recordBytes: Uint8Array }[] = [];
  manual = false;
  unavailable: Error | undefined;
  confirmedPeers = 1;
  getCount = 0;

  constructor(label = "scripted") {
    this.label = label;
  }

  async *get(name: IpnsName, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    this.getCount++;
    if (this.unavailable !== undefined) throw this.unavailable;
    if (!this.manual) {
      yield* this.records.get(name.text) ?? [];
      return;
    }
    const events: (Uint8Array | Error | "end")[] = [];
    let wake = (): void => undefined;
    const push = (event: Uint8Array | Error | "end"): void => {
      events.push(event);
      wake();
    };
    signal.addEventListener("abort", () => {
      push("end");
    });
    this.gets.push({
      name,
      signal,
      answer: push,
      end: () => {
        push("end");
      },
      fail: push,
    });
    for (;;) {
      const event = events.shift();
      if (event === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if (event === "end") return;
      else if (event instanceof Error) throw event;
      else yield event;
    }
  }

  async put(name: IpnsName, recordBytes: Uint8Array): Promise<{ confirmedPeers: number }> {
    this.puts.push({ name, recordBytes });
    if (this.unavailable !== undefined) throw this.unavailable;
    if (this.confirmedPeers > 0) this.records.set(name.text, [recordBytes]);
    return Promise.resolve({ confirmedPeers: this.confirmedPeers });
  }
}
