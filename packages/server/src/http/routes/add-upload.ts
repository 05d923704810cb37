import type { IncomingMessage } from "node:http";
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import { HoldfastError } from "@holdfast/core";
import type { AddEntry } from "../../content/add-files.ts";

export interface UploadLimits {
  /** For the contents of all files together. */
  readonly contentBytesMax: number;
  /** Files and directories. */
  readonly entriesMax: number;
  /** Without a byte for so long the upload is given up: it would keep others out. */
  readonly stallMsMax: number;
}

/** What a body may have besides its contents: boundaries and part headers. */
const OVERHEAD_BYTES_MAX = 1024 * 1024;
/** Parts that were parsed and wait for their turn; small ones come many in one chunk. Over it the body is not read on. */
const WAITING_ENTRIES_MAX = 64;
const PART_HEADER_BYTES_MAX = 16 * 1024;
const FILE_BUFFER_BYTES = 256 * 1024;

/**
 * The files and directories in a multipart body, while it streams in. Reads the body only as fast as the entries are
 * consumed. Any part name and any part without a filename is a file, as for Kubo.
 *
 * @see protocols.md §2.1 "Multipart"; dependencies.md §8 for what the parser does not do by itself
 */
export class Upload {
  readonly #request: IncomingMessage;
  readonly #limits: UploadLimits;
  readonly #bodyBytesMax: number;
  readonly #parser: BusboyInstance;
  readonly #waiting: AddEntry[] = [];
  readonly #open = new Set<BusboyFileStream>();
  #contentBytes = 0;
  #entryCount = 0;
  #isParsed = false;
  #failure: Error | undefined;
  /** Wakes up whoever waits: the reader of the body, or the consumer of the entries. */
  #wake = Promise.withResolvers<void>();

  /**
   * @param argument what the command calls its files, for the message when there are none.
   * @throws HoldfastError `INVALID_ARGUMENT` when the body is not multipart, `BODY_TOO_LARGE` when it says so itself.
   */
  constructor(request: IncomingMessage, limits: UploadLimits, argument: string) {
    this.#request = request;
    this.#limits = limits;
    this.#bodyBytesMax = limits.contentBytesMax + OVERHEAD_BYTES_MAX;
    if (Number(request.headers["content-length"] ?? 0) > this.#bodyBytesMax) throw tooLarge(limits);
    this.#parser = createParser(request, limits, argument);
    this.#parser.on("file", (_field, stream, filename, _encoding, mimeType) => {
      this.#accept(stream, filename, mimeType);
    });
    this.#parser.on("filesLimit", () =>
      this.fail(invalid(`more than ${limits.entriesMax} files and directories`)),
    );
    this.#parser.on("error", (cause) => this.fail(malformed(cause)));
    this.#parser.on("finish", () => {
      this.#isParsed = true;
      this.#notify();
    });
  }

  /** To be iterated once. @throws HoldfastError `INVALID_ARGUMENT`, `BODY_TOO_LARGE`; an Error when the client leaves. */
  async *entries(): AsyncGenerator<AddEntry> {
    void this.#readBody();
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const entry = this.#waiting.shift();
      if (entry !== undefined) {
        this.#notify();
        yield entry;
      } else if (this.#isParsed) {
        break;
      } else {
        await this.#wake.promise;
      }
    }
    if (this.#entryCount === 0) throw invalid("expected a file argument");
  }

  /** Of a body that may only have files. @throws as {@link entries}. */
  async *files(): AsyncGenerator<AsyncIterable<Uint8Array>> {
    for await (const entry of this.entries()) {
      if (entry.kind !== "file") throw invalid("expected a file");
      yield entry.content;
    }
  }

  /** Ends everything that is under way. Only the first reason counts. */
  fail(reason: Error): void {
    this.#failure ??= reason;
    for (const stream of this.#open) stream.destroy(this.#failure);
    this.#open.clear();
    this.#waiting.length = 0;
    this.#notify();
  }

  #accept(stream: BusboyFileStream, filename: string | undefined, mimeType: string): void {
    // Without a listener an 'error' on a file that nobody reads yet would end the process.
    stream.on("error", () => {});
    if (this.#failure !== undefined) {
      stream.resume();
      return;
    }
    this.#entryCount++;
    try {
      this.#waiting.push(this.#entryOf(stream, filename ?? "", mimeType));
    } catch (err) {
      this.fail(err as Error);
    }
    this.#notify();
  }

  #entryOf(stream: BusboyFileStream, filename: string, mimeType: string): AddEntry {
    const path = pathOf(filename);
    if (mimeType === "application/x-directory") {
      stream.resume();
      if (path === "") throw invalid("a directory needs a name");
      return { kind: "directory", path };
    }
    this.#open.add(stream);
    stream.once("close", () => this.#open.delete(stream));
    const named = { path: path === "" ? undefined : path };
    const content = this.#contentOf(stream);
    if (mimeType === "application/symlink") return { kind: "symlink", ...named, target: content };
    return { kind: "file", ...named, content };
  }

  async *#contentOf(stream: BusboyFileStream): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        this.#contentBytes += chunk.byteLength;
        if (this.#contentBytes > this.#limits.contentBytesMax) throw tooLarge(this.#limits);
        yield chunk;
      }
    } catch (err) {
      this.fail(err instanceof HoldfastError ? err : malformed(err));
    }
    // Also at a clean end: a body that ends early may end its last file as if it were complete.
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #readBody(): Promise<void> {
    const { stallMsMax } = this.#limits;
    const startStallTimer = (): NodeJS.Timeout =>
      setTimeout(() => this.fail(invalid("the upload has stalled")), stallMsMax);
    let stallTimer = startStallTimer();
    try {
      let bodyBytes = 0;
      // The request outlives this loop: its answer is still to be sent.
      for await (const chunk of this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        // Stopped until the chunk is taken: while the disk is the slow side, the client is not stalling.
        clearTimeout(stallTimer);
        if (this.#failure !== undefined) return;
        bodyBytes += chunk.byteLength;
        if (bodyBytes > this.#bodyBytesMax) throw tooLarge(this.#limits);
        await this.#parse(chunk);
        stallTimer = startStallTimer();
      }
      this.#parser.end();
    } catch (err) {
      this.fail(err as Error);
    } finally {
      clearTimeout(stallTimer);
    }
  }

  async #parse(chunk: Buffer): Promise<void> {
    let isTaken = false;
    this.#parser.write(chunk, () => {
      isTaken = true;
      this.#notify();
    });
    while (this.#failure === undefined && (!isTaken || this.#waiting.length > WAITING_ENTRIES_MAX)) {
      await this.#wake.promise;
    }
  }

  #notify(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

function createParser(request: IncomingMessage, limits: UploadLimits, argument: string): BusboyInstance {
  const contentType = request.headers["content-type"] ?? "";
  if (!/^multipart\/form-data\s*;/i.test(contentType))
    throw invalid(`file argument '${argument}' is required`);
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      isPartAFile: () => true,
      preservePath: true,
      fileHwm: FILE_BUFFER_BYTES,
      limits: { files: limits.entriesMax, headerPairs: 64, headerSize: PART_HEADER_BYTES_MAX },
    });
  } catch (cause) {
    throw new HoldfastError("INVALID_ARGUMENT", "malformed multipart body: no boundary", { cause });
  }
}

/** Kubo's rule: URL-unescaped, then cleaned as if it stood below a root. Empty for a nameless file. */
function pathOf(filename: string): string {
  const segments: string[] = [];
  for (const segment of unescaped(filename).split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  // The importer takes a backslash for an escape of the separator.
  if (segments.some((segment) => segment.endsWith("\\"))) throw invalid("a name must not end in a backslash");
  return segments.join("/");
}

function unescaped(filename: string): string {
  try {
    return decodeURIComponent(filename.replaceAll("+", " "));
  } catch {
    // A client that does not escape may well send `100%.txt`; Kubo takes such a name as it is.
    return filename;
  }
}

function tooLarge({ contentBytesMax }: UploadLimits): HoldfastError {
  return new HoldfastError("BODY_TOO_LARGE", `more than ${contentBytesMax} bytes`);
}

function malformed(cause: unknown): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", "malformed multipart body", { cause });
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
