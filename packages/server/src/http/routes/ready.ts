import type { FastifyInstance } from "fastify";
import type { Clock } from "../../telemetry/clock.ts";
import type { BackendStatus } from "../backend-status.ts";
import { type VaultRoom, vaultForm } from "../vault-form.ts";

export interface RecordStoreState {
  count(): number;
  /** Whether the last commit failed. Absent: a store that no disk is behind. */
  readonly isRefusingWrites?: boolean;
}

export interface ReadyParts {
  readonly recordStore: RecordStoreState;
  readonly backend: BackendStatus;
  /** What was found at the backend that may lose data: no reason to take the node out of service. */
  readonly warnings?: () => readonly object[];
  readonly vault?: VaultRoom | undefined;
  readonly clock: Clock;
}

/**
 * `GET /ready`: 200 while the node can answer from what it holds, with the reasons why it may not be at its best; 503 when it
 * cannot (R38). A backend that is away makes it `degraded`, not unready: cached data is served and writes are stored. So does a
 * disk that refuses: taken out of service, it would answer nobody from what it has.
 */
export function readyRoute(parts: ReadyParts, isDraining: () => boolean) {
  return (app: FastifyInstance): void => {
    app.get("/ready", (_request, reply) => {
      const store = storeState(parts);
      const backend = parts.backend.status();
      const isReady = store.ok && !isDraining();
      const reasons = [
        ...(isDraining() ? ["shutting down"] : []),
        ...(store.ok ? [] : ["the record store cannot be read"]),
        ...(parts.recordStore.isRefusingWrites === true ? ["the disk refused the last write"] : []),
        ...(parts.vault?.isRefusingWrites === true ? ["the disk refused the last blocks"] : []),
        ...(backend.state === "running" ? [] : [`the backend is ${backend.state}`]),
        ...(parts.vault?.isFull === true ? ["the vault is full: writes are refused"] : []),
      ];
      const status = isReady ? (reasons.length === 0 ? "ready" : "degraded") : "not-ready";
      const sinceS = Math.max(0, Math.floor((parts.clock.nowMs() - backend.sinceMs) / 1000));
      const checks = {
        store,
        ...(parts.vault === undefined ? {} : { vault: vaultForm(parts.vault) }),
        backend: {
          state: backend.state,
          since_seconds: sinceS,
          peers: backend.peers,
          ...(backend.version === undefined ? {} : { version: backend.version }),
        },
      };
      void reply
        .code(isReady ? 200 : 503)
        .header("Cache-Control", "no-store")
        .send({ status, reasons, warnings: parts.warnings?.() ?? [], checks });
    });
  };
}

/** A real read, because that is what has to work (R40). */
function storeState({ recordStore }: ReadyParts): { readonly ok: boolean; readonly names?: number } {
  try {
    return { ok: true, names: recordStore.count() };
  } catch {
    // The reason is in the store's own log; here only the state matters.
    return { ok: false };
  }
}
