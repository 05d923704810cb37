/** A complete HTTP answer but for what every answer of this server has. */
export interface GatewayAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes when they are few, a stream of `contentLength` bytes otherwise; undefined when there is none to send. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

/** Answers up to this size are made whole before they are sent: one write, and errors still get their status. */
export const WHOLE_BODY_BYTES_MAX = 1024 * 1024;

/**
 * A text as a header value: UTF-8 bytes, as Go sends them. Node refuses characters beyond latin1 and control characters;
 * the latter are percent-encoded.
 */
export function headerText(text: string): string {
  const latin1 = Buffer.from(text, "utf8").toString("latin1");
  // eslint-disable-next-line no-control-regex -- these are what a header must not contain
  return latin1.replaceAll(/[\x00-\x1f\x7f]/g, (character) => encodeURIComponent(character));
}

/** `Content-Disposition` with the name twice: for old clients in ASCII, for the others exactly. */
export function contentDisposition(kind: "inline" | "attachment", filename: string): string {
  const ascii = filename.replaceAll(/[^\x20-\x7e]|["\\]/g, "_");
  const exact = encodeURIComponent(filename.toWellFormed()).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${exact}`;
}
