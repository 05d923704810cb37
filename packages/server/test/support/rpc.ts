import type { TestContent } from "./start-content.ts";

export interface RpcAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** The JSON of each line. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
}

/** A multipart body with one part for each content. */
export function partsOf(...contents: readonly (Uint8Array | string)[]): FormData {
  const form = new FormData();
  contents.forEach((content, i) => form.append(`part-${i}`, new Blob([content as string]), `name-${i}`));
  return form;
}

/** `POST`s a command of Kubo's RPC, e.g. `dag/put?pin=true`. */
export async function rpc(
  node: Pick<TestContent, "url">,
  command: string,
  body?: FormData | Uint8Array | string,
  init: RequestInit = {},
): Promise<RpcAnswer> {
  const response = await fetch(`${node.url}/api/v0/${command}`, {
    method: "POST",
    ...(body === undefined ? {} : { body: body as FormData }),
    ...init,
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = Buffer.from(bytes).toString();
  const isJson = response.headers.get("content-type") === "application/json";
  const lines = isJson
    ? text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
  return { status: response.status, headers: response.headers, bytes, text, lines };
}

/** The message of a refusal. */
export function messageOf({ lines }: RpcAnswer): string {
  return String(lines[0]?.["Message"]);
}

export function rootLine(cid: string, PinErrorMsg = ""): Readonly<Record<string, unknown>> {
  return { Root: { Cid: { "/": cid }, PinErrorMsg } };
}
