import type { IpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";

/** Where announcements ask for pins. The room of pins is behind it. */
export interface PinRequests {
  /** Whether this author asked for this root already, and the wish stands. */
  isClaimedBy(root: CID, author: string): boolean;
  /**
   * Adds the author's wishes, all or none; they are durable when it settles.
   *
   * @throws HoldfastError `OVERLOADED`, `STORE_FAILED`, `SHUTTING_DOWN`.
   */
  add(
    roots: readonly CID[],
    wish: { readonly author: string; readonly label: string | undefined; readonly createdAtMs: number },
  ): Promise<void>;
}

/** Where announced records go. The room of records is behind it. */
export interface AnnouncedRecords {
  /**
   * Validates and stores, as for anybody.
   *
   * @throws HoldfastError `RECORD_INVALID`, `OVERLOADED`, `STORE_FAILED`.
   */
  publish(name: IpnsName, bytes: Uint8Array): Promise<void>;
  /** Whether a record of this name is held. */
  isHeld(name: IpnsName): boolean;
  /** Looks for a record of this name in the network. @throws HoldfastError when there is none. */
  lookUp(name: IpnsName, signal: AbortSignal): Promise<void>;
}
