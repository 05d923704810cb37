import type { ValidatedRecord } from "@holdfast/core";
import { expect } from "vitest";
import type { RecordStore } from "../../src/records/record-store.ts";

export interface OpenedStore {
  readonly store: RecordStore;
  /** Closes the store and opens it again, on the same state if it keeps any. */
  readonly reopen: () => Promise<RecordStore>;
  readonly survivesRestart: boolean;
}

export const CLIENT_AT_1000 = { origin: "client", receivedAtMs: 1000 } as const;

export function expectRecord(actual: ValidatedRecord | undefined, expected: ValidatedRecord): void {
  expect(Buffer.from(actual?.bytes ?? []).toString("hex")).toBe(Buffer.from(expected.bytes).toString("hex"));
  expect(actual?.name.text).toBe(expected.name.text);
  expect(actual?.sequence).toBe(expected.sequence);
}
