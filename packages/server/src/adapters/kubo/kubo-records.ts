import { compareRecords, decodeRecord, HoldfastError, type IpnsName, isHoldfastError } from "@holdfast/core";
import { KuboRefusal } from "./kubo-call.ts";
import type { KuboRpc } from "./kubo-rpc.ts";
import { queryEventOf } from "./query-events.ts";

const GET_MS_MAX = 60_000;
const PUT_MS_MAX = 120_000;
/** How long is looked for a better record before a put. Peers refuse an older one all the same, if they hold the better. */
const COMPARE_MS_MAX = 5_000;
const ANSWER_BYTES_MAX = 64 * 1024;

interface Parts {
  readonly rpc: KuboRpc;
  /** Whether Kubo is connected to anybody. */
  readonly hasPeers: () => Promise<boolean>;
}

/** IPNS records on the network that Kubo is on. */
export class KuboRecords {
  readonly #rpc: KuboRpc;
  readonly #hasPeers: () => Promise<boolean>;

  constructor({ rpc, hasPeers }: Parts) {
    this.#rpc = rpc;
    this.#hasPeers = hasPeers;
  }

  /**
   * The best record that Kubo found, or undefined.
   *
   * @throws HoldfastError `BACKEND_UNAVAILABLE`, also when there was none and nobody to ask: then silence means nothing.
   */
  async get(name: IpnsName, options: { readonly signal: AbortSignal }): Promise<Uint8Array | undefined> {
    const record = await this.#ask(name, GET_MS_MAX, options.signal);
    if (record === undefined && !(await this.#hasPeers())) {
      throw new HoldfastError("BACKEND_UNAVAILABLE", "Kubo is connected to no peer");
    }
    return record;
  }

  /**
   * Puts a record, unless the network has a better one, and asks for it again: Kubo answers 200 whatever it is given, and
   * tells nothing about the peers that took it.
   *
   * @returns 1 when Kubo gives back the same bytes and is connected to somebody, which is all that can be known; otherwise 0.
   */
  async put(
    name: IpnsName,
    record: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<{ readonly confirmedPeers: number }> {
    if (await this.#isBetterKnown(name, record, signal)) return { confirmedPeers: 0 };
    const query = { arg: `/ipns/${name.text}` };
    const call = { kind: "put", command: "routing/put", query, file: record, msMax: PUT_MS_MAX } as const;
    let isOver = false;
    for await (const object of this.#rpc.objects({ ...call, bytesMax: ANSWER_BYTES_MAX }, { signal })) {
      isOver ||= queryEventOf(object).kind === "value";
    }
    if (!isOver) throw brokenOff("routing/put");
    const found = await this.#ask(name, GET_MS_MAX, signal);
    const isThere = found !== undefined && Buffer.from(found).equals(record);
    return { confirmedPeers: isThere && (await this.#hasPeers()) ? 1 : 0 };
  }

  async #isBetterKnown(name: IpnsName, record: Uint8Array, signal: AbortSignal): Promise<boolean> {
    let found: Uint8Array | undefined;
    try {
      found = await this.#ask(name, COMPARE_MS_MAX, signal);
    } catch (err) {
      if (signal.aborted || !isHoldfastError(err) || err.code !== "UPSTREAM_TIMEOUT") throw err;
    }
    return found !== undefined && isBetter(found, record);
  }

  async #ask(name: IpnsName, msMax: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const query = { arg: `/ipns/${name.text}` };
    const call = {
      kind: "record",
      command: "routing/get",
      query,
      msMax,
      bytesMax: ANSWER_BYTES_MAX,
    } as const;
    let found: Uint8Array | undefined;
    try {
      for await (const object of this.#rpc.objects(call, { signal })) {
        const event = queryEventOf(object);
        if (event.kind === "value") found = event.bytes;
      }
    } catch (err) {
      if (err instanceof KuboRefusal && err.words.includes("routing: not found")) return undefined;
      throw err;
    }
    if (found === undefined) throw brokenOff("routing/get");
    return found;
  }
}

function brokenOff(command: string): HoldfastError {
  return new HoldfastError("BACKEND_UNAVAILABLE", `Kubo broke ${command} off`);
}

function isBetter(found: Uint8Array, ours: Uint8Array): boolean {
  try {
    return compareRecords(decodeRecord(found), decodeRecord(ours)) > 0;
  } catch {
    // What cannot be read as a record is not better than one.
    return false;
  }
}
