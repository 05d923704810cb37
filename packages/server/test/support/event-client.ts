import { get, type IncomingMessage } from "node:http";
import { expect } from "vitest";
import { until } from "./until.ts";

export interface HeardEvent {
  readonly name: string;
  readonly sequence: number;
  readonly snapshot?: boolean;
  /** Absent when the event left the last id as it was. */
  readonly id?: string;
}

/** A client of an event stream that keeps what it hears, as the HTML standard has it. */
export class EventClient implements Disposable {
  readonly response: IncomingMessage;
  readonly events: HeardEvent[] = [];
  /** From which it would go on. */
  lastEventId = "";
  comments = 0;
  retryMs: number | undefined;
  /** Whether the body came to its end, as opposed to the connection having broken. */
  end: "clean" | "broken" | undefined;
  #hasCaughtUp = false;
  #text = "";

  private constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding("utf8").on("data", (text: string) => {
      this.#text += text;
      for (let at = this.#text.indexOf("\n\n"); at >= 0; at = this.#text.indexOf("\n\n")) {
        this.#hear(this.#text.slice(0, at).split("\n"));
        this.#text = this.#text.slice(at + 2);
      }
    });
    response.on("error", () => undefined);
    response.on("close", () => (this.end = response.complete ? "clean" : "broken"));
  }

  static open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<EventClient> {
    return new Promise((resolve, reject) => {
      get(url, { headers, agent: false }, (response) => resolve(new EventClient(response))).on(
        "error",
        reject,
      );
    });
  }

  sequences(): number[] {
    return this.events.map(({ sequence }) => sequence);
  }

  async hears(count: number): Promise<HeardEvent[]> {
    await until(() => expect(this.events.length).toBeGreaterThanOrEqual(count));
    return this.events;
  }

  /** Has got everything it missed: the id from which it would go on has been told, behind all events and alone. */
  async hasCaughtUp(): Promise<void> {
    await until(() => expect(this.#hasCaughtUp).toBe(true));
  }

  [Symbol.dispose](): void {
    this.response.destroy();
  }

  #hear(lines: readonly string[]): void {
    let id: string | undefined;
    let data: string | undefined;
    for (const line of lines) {
      const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
      if (field === "" && line.startsWith(":")) this.comments++;
      else if (field === "id") this.lastEventId = id = value;
      else if (field === "retry") this.retryMs = Number(value);
      else if (field === "data") data = (data ?? "") + value;
    }
    if (data === undefined) {
      this.#hasCaughtUp ||= id !== undefined;
      return;
    }
    const event = JSON.parse(data) as HeardEvent;
    this.events.push(id === undefined ? event : { ...event, id });
  }
}
