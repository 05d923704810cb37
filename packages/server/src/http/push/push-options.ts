import type { PushSlotsOptions } from "./push-slots.ts";

/** Bounds of pushing updates. The slots are for WebSockets and event streams together. */
export interface PushOptions extends PushSlotsOptions {
  /** Of a WebSocket. Each spelling of a name counts. */
  readonly namesPerConnectionMax: number;
  readonly namesPerStreamMax: number;
  /** Of what a WebSocket client says at once. */
  readonly messageBytesMax: number;
  /** What may wait in memory for one slow client before it is dropped. */
  readonly bufferedBytesMax: number;
  readonly heartbeatMs: number;
}

export const DEFAULT_PUSH_OPTIONS: PushOptions = {
  connectionsMax: 12_000,
  connectionsPerClientMax: 256,
  namesPerConnectionMax: 1_000,
  /** More do not fit into a URL. */
  namesPerStreamMax: 100,
  messageBytesMax: 128 * 1024,
  bufferedBytesMax: 256 * 1024,
  /** Proxies close what is silent for 30 to 60 s. */
  heartbeatMs: 20_000,
};
