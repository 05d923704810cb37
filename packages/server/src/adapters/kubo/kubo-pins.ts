import { HoldfastError, isHoldfastError } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { encodeCarHeader, encodeCarSection } from "../../content/car-writer.ts";
import type { Pinner, PinOptions, PinProgress } from "../../pins/pinner.ts";
import type { Timers } from "../../telemetry/clock.ts";
import { carOfHeld, type HeldBlocks, SupplyChangedError, surveyDag } from "./dag-supply.ts";
import type { KuboBlocks } from "./kubo-blocks.ts";
import { type KuboCall, KuboRefusal } from "./kubo-call.ts";
import type { KuboRpc } from "./kubo-rpc.ts";
import {
  cidOfLine,
  isPinAddEnd,
  isPinIn,
  isPinRemoved,
  pinFailureOf,
  pinNameOf,
  pinProblemIn,
  progressIn,
  sameDagAs,
} from "./pin-words.ts";
import { RootTurns } from "./root-turns.ts";

const HOUR_MS = 3_600_000;
/** A large DAG takes long. Whether it makes progress is for whoever asked for it to judge. */
const PIN_MS_MAX = 24 * HOUR_MS;
/** While Kubo pins it says twice a second how far it is. */
const SILENT_MS_MAX = 60_000;
/** What was sent is walked through once more before Kubo answers. */
const WALK_MS_MAX = HOUR_MS;
const LOOK_MS_MAX = 30_000;
/** Kubo lists a hundred thousand in a second. */
const LIST_MS_MAX = 20 * 60_000;
const ANSWER_BYTES_MAX = 64 * 1024;
/** A line each half second for a day. */
const PROGRESS_BYTES_MAX = 64 * 1024 * 1024;
/** Some ten million pins. */
const LIST_BYTES_MAX = 1024 * 1024 * 1024;
/** A command that is broken off at its end may still make its pin, some tens of milliseconds later: only then can it be ended. */
const AFTER_ABORT_MS = 2_000;
/** Kubo's reader of CARs takes no sections above 8 MiB; submits may have 32. */
const IMPORTED_BLOCK_BYTES_MAX = 4 * 1024 * 1024;
/** As `block/put` calls the functions that blocks can be checked with here. */
const HASH_NAME_BY_CODE: Readonly<Record<number, string>> = {
  0x12: "sha2-256",
  0x13: "sha2-512",
  0x20: "sha2-384",
};
/** Reading CIDs takes time that others need as well. */
const CIDS_AT_ONCE = 200;

const ANY_CID = CID.parse("bafkqaaa");

interface Parts {
  readonly rpc: KuboRpc;
  /** Kubo's blocks, to find out whether there is anybody who has a root. */
  readonly blocks: Pick<KuboBlocks, "retrieve">;
  /** What may be handed to Kubo. */
  readonly held: HeldBlocks;
  readonly timers: Timers;
  /** Kubo's own peer id. */
  readonly selfId: () => string | undefined;
}

/** Pins of a Kubo's repository. */
export class KuboPins implements Pinner {
  readonly label = "kubo";
  readonly #parts: Parts;
  readonly #turns = new RootTurns();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get repositoryId(): string | undefined {
    return this.#parts.selfId();
  }

  async pin(root: CID, options: PinOptions): Promise<PinProgress> {
    // Kubo takes a pin away before it makes it anew, and is without it when that fails. So what it has is left alone, and
    // two who want the same pin do not come at the same time.
    const turn = await this.#turns.enter(root, options.signal);
    try {
      return await this.#pinOnce(root, options);
    } finally {
      const leave = (): void => turn[Symbol.dispose]();
      if (options.signal.aborted) this.#parts.timers.after(AFTER_ABORT_MS, leave);
      else leave();
    }
  }

  async #pinOnce(root: CID, options: PinOptions): Promise<PinProgress> {
    if (await this.isPinned(root, options)) return { blocks: 0, bytes: undefined };
    // A direct pin becomes the recursive one, and whoever made it has no other.
    if (!options.recursive || !(await this.#hasAny(root, ["direct"], options))) options.onAbsent?.();
    const held = options.recursive ? await this.#pinDag(root, options) : await this.#pinBlock(root, options);
    if (await this.isPinned(root, options)) return held;
    throw new HoldfastError("BACKEND_UNAVAILABLE", "Kubo did not keep the pin");
  }

  async unpin(root: CID, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    using _turn = await this.#turns.enter(root, signal);
    for (const cid of sameDagAs(root)) {
      // For a CID it has one of either kind at most, and takes either away for a recursive one.
      const query = { arg: cid.toString(), recursive: "true" };
      const call = { kind: "pin", command: "pin/rm", query, ...LOOK_BOUNDS } as const;
      try {
        if (isPinRemoved(await this.#parts.rpc.bytes(call, { signal }))) continue;
      } catch (err) {
        if (err instanceof KuboRefusal && /not pinned/.test(err.words)) continue;
        throw pinFailureOf(err);
      }
      throw new HoldfastError("BACKEND_UNAVAILABLE", "this is not how Kubo answers pin/rm");
    }
  }

  /** A recursive pin holds the root's block as well, so it is as good as a direct one. */
  async isPinned(
    root: CID,
    { recursive, signal }: { readonly recursive: boolean; readonly signal: AbortSignal },
  ): Promise<boolean> {
    return this.#hasAny(root, recursive ? ["recursive"] : ["direct", "recursive"], { signal });
  }

  async *listPinned({
    recursive,
    signal,
  }: {
    readonly recursive: boolean;
    readonly signal: AbortSignal;
  }): AsyncGenerator<CID> {
    const query = { type: typeOf(recursive), stream: "true", quiet: "true", encoding: "text" };
    const bounds = { msMax: LIST_MS_MAX, idleMsMax: SILENT_MS_MAX, bytesMax: LIST_BYTES_MAX };
    const call = { kind: "pinList", command: "pin/ls", query, ...bounds } as const;
    let cids = 0;
    const isWorking = (over: { readonly signal: AbortSignal }): Promise<boolean> =>
      this.#hasPin(ANY_CID, "recursive", over);
    for await (const line of this.#parts.rpc.wholeList(call, isWorking, { signal })) {
      yield cidOfLine(line);
      if (++cids % CIDS_AT_ONCE === 0) await new Promise(setImmediate);
    }
  }

  async #pinDag(root: CID, options: PinOptions): Promise<PinProgress> {
    const supply = await surveyDag(root, this.#parts.held, options);
    if (supply.blocks === 0) await this.#findRoot(root, options);
    else if (!supply.isComplete) await this.#import(root, { isPinned: false }, options);
    else {
      const pinned = await this.#importPinned(root, options);
      if (pinned !== undefined) return pinned;
    }
    return await this.#pinAdd(root, options);
  }

  /**
   * What is all here is pinned by the import itself: Kubo holds its garbage collector off from the first byte to the pin.
   * Undefined when blocks were missing after all.
   */
  async #importPinned(root: CID, options: PinOptions): Promise<PinProgress | undefined> {
    let imported: PinProgress;
    try {
      imported = await this.#import(root, { isPinned: true }, options);
    } catch (err) {
      if (err instanceof SupplyChangedError) await this.#import(root, { isPinned: false }, options);
      else if (!isHoldfastError(err) || err.code !== "CONTENT_NOT_FOUND") throw err;
      return undefined;
    }
    // An import gives no name.
    if (pinNameOf(options.name) !== undefined) await this.#pinAdd(root, options);
    return imported;
  }

  async #import(
    root: CID,
    { isPinned }: { readonly isPinned: boolean },
    { signal, onProgress }: PinOptions,
  ): Promise<PinProgress> {
    const { rpc, held } = this.#parts;
    let [blocks, bytes] = [0, 0];
    const onBlock = (blockBytes: number): void => {
      blocks++;
      bytes += blockBytes;
      onProgress?.({ blocks, bytes });
    };
    let failure: unknown;
    const car = carOfHeld(root, held, { signal, mayMiss: !isPinned, onBlock });
    const file = watched(car, (err) => (failure = err));
    const query = { "pin-roots": String(isPinned), ...IMPORT_QUERY };
    const bounds = { msMax: PIN_MS_MAX, idleMsMax: WALK_MS_MAX, bytesMax: ANSWER_BYTES_MAX };
    const call = { kind: "pinUpload", command: "dag/import", query, file, ...bounds } as const;
    let isDone = !isPinned;
    try {
      for await (const object of rpc.objects(call, { signal })) {
        const problem = pinProblemIn(object);
        if (problem === undefined) continue;
        if (problem !== "")
          throw new KuboRefusal("Kubo did not pin what it imported", problem, new Error(problem));
        isDone = true;
      }
    } catch (err) {
      throw failure ?? pinFailureOf(err);
    }
    if (!isDone) throw new HoldfastError("BACKEND_UNAVAILABLE", "Kubo broke dag/import off");
    return { blocks, bytes };
  }

  async #pinBlock(root: CID, options: PinOptions): Promise<PinProgress> {
    const { rpc, held } = this.#parts;
    const bytes = await held.get(root);
    if (bytes === undefined) {
      await this.#findRoot(root, options);
    } else {
      const bounds = { msMax: SILENT_MS_MAX, bytesMax: ANSWER_BYTES_MAX };
      const call = { kind: "pinUpload", ...uploadOf(root, bytes), ...bounds } as const;
      await rpc.bytes(call, options).catch((err: unknown) => {
        throw pinFailureOf(err);
      });
    }
    return await this.#pinAdd(root, options);
  }

  /** Kubo would look for ever for a root that nobody has. */
  async #findRoot(root: CID, { signal }: PinOptions): Promise<void> {
    try {
      await this.#parts.blocks.retrieve(root, { signal });
    } catch (err) {
      // Slow to come, and perhaps on its way: Kubo may take longer for it than a reader would wait.
      if (signal.aborted || !isHoldfastError(err) || err.code !== "UPSTREAM_TIMEOUT") throw err;
    }
  }

  async #pinAdd(root: CID, { recursive, name, signal, onProgress }: PinOptions): Promise<PinProgress> {
    const pinName = pinNameOf(name);
    const query = {
      arg: root.toString(),
      recursive: String(recursive),
      progress: "true",
      ...(pinName === undefined ? {} : { name: pinName }),
      ...PROVIDE_QUERY,
    };
    const bounds = { msMax: PIN_MS_MAX, idleMsMax: SILENT_MS_MAX, bytesMax: PROGRESS_BYTES_MAX };
    const call = { kind: "pin", command: "pin/add", query, ...bounds } as const;
    let progress: PinProgress = { blocks: 0, bytes: undefined };
    let isDone = false;
    try {
      for await (const object of this.#parts.rpc.objects(call, { signal })) {
        isDone ||= isPinAddEnd(object);
        progress = progressIn(object) ?? progress;
        if (!isDone) onProgress?.(progress);
      }
    } catch (err) {
      throw pinFailureOf(err);
    }
    if (!isDone) throw new HoldfastError("BACKEND_UNAVAILABLE", "Kubo broke pin/add off");
    return progress;
  }

  async #hasAny(
    root: CID,
    types: readonly PinType[],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<boolean> {
    for (const type of types) {
      for (const cid of sameDagAs(root)) if (await this.#hasPin(cid, type, { signal })) return true;
    }
    return false;
  }

  async #hasPin(cid: CID, type: PinType, options: { readonly signal: AbortSignal }): Promise<boolean> {
    const query = { arg: cid.toString(), type };
    try {
      const answer = await this.#parts.rpc.bytes(
        { kind: "pinLook", command: "pin/ls", query, ...LOOK_BOUNDS },
        options,
      );
      if (isPinIn(answer, cid)) return true;
      throw new HoldfastError("BACKEND_UNAVAILABLE", "this is not how Kubo answers pin/ls");
    } catch (err) {
      if (err instanceof KuboRefusal && /is not pinned/.test(err.words)) return false;
      throw err;
    }
  }
}

/** The command that gives Kubo a block. */
function uploadOf(root: CID, bytes: Uint8Array): Pick<KuboCall, "command" | "query" | "file"> {
  const mhtype = HASH_NAME_BY_CODE[root.multihash.code];
  if (bytes.byteLength <= IMPORTED_BLOCK_BYTES_MAX || mhtype === undefined) {
    const file = Buffer.concat([encodeCarHeader([root]), encodeCarSection(root, bytes)]);
    return { command: "dag/import", query: { "pin-roots": "false", ...IMPORT_QUERY }, file };
  }
  // Kubo keeps blocks by their multihash, whatever their codec.
  const query = { "cid-codec": "raw", mhtype, "allow-big-block": "true", pin: "false" };
  return { command: "block/put", query, file: bytes };
}

type PinType = "recursive" | "direct";

/** Whatever the blocks' size, and without announcing the root: whoever wants it announced asks for that. */
const PROVIDE_QUERY = { "fast-provide-root": "false" };
const IMPORT_QUERY = { ...PROVIDE_QUERY, "allow-big-block": "true" };

const LOOK_BOUNDS = { msMax: LOOK_MS_MAX, bytesMax: ANSWER_BYTES_MAX };

const typeOf = (recursive: boolean): PinType => (recursive ? "recursive" : "direct");

/** The same pieces; tells why they broke off. */
async function* watched<T>(pieces: AsyncIterable<T>, onFailure: (err: unknown) => void): AsyncGenerator<T> {
  try {
    yield* pieces;
  } catch (err) {
    onFailure(err);
    throw err;
  }
}
