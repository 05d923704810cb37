/** Plain counters: 10 ns each on the hot path. Rendered by the admin listener; `docs/METRICS.md` describes each. */
export class Metrics {
  readonly records = {
    readsFromStore: 0,
    readsFromNetwork: 0,
    readsNotFound: 0,
    negativeHits: 0,
    stored: 0,
    unchanged: 0,
    superseded: 0,
    conflicts: 0,
    rejected: 0,
    lookups: 0,
    lookupsShared: 0,
    refreshes: 0,
    refreshesDropped: 0,
    pushedByPeers: 0,
  };

  readonly anomalies = {
    jumps: 0,
    rollbacks: 0,
    equivocations: 0,
    forged: 0,
    expired: 0,
    unchecked: 0,
    dropped: 0,
  };

  readonly propagation = {
    confirmed: 0,
    failed: 0,
    unavailable: 0,
    expired: 0,
    alerts: 0,
    reannouncements: 0,
    reannounced: 0,
  };

  readonly routers = { asked: 0, failures: 0, lies: 0, skipped: 0 };
  readonly signatures = { verified: 0, rejected: 0, overloaded: 0 };
  readonly content = {
    blocksFromMemory: 0,
    blocksFromVault: 0,
    blocksFromCache: 0,
    blocksFromSources: 0,
    blocksCorrupt: 0,
    cacheBlocksDropped: 0,
    cacheWritesFailed: 0,
    responsesFromCache: 0,
    responsesOutdated: 0,
    vaultWritesRefused: 0,
    vaultBlocksReleased: 0,
    vaultBlocksCollected: 0,
    vaultSweepsRefused: 0,
  };

  readonly sidecar = {
    submitsAccepted: 0,
    submitsKnown: 0,
    submitsInvalid: 0,
    submitsTooLarge: 0,
    submitsOverloaded: 0,
    blobHits: 0,
    blobMisses: 0,
    promotionAttempts: 0,
    promotionsSucceeded: 0,
    promotionsFailed: 0,
    promotionsStalled: 0,
  };

  readonly pins = {
    added: 0,
    pinned: 0,
    attemptsFailed: 0,
    dead: 0,
    rejected: 0,
    provided: 0,
    providesFailed: 0,
    released: 0,
    unpinned: 0,
    lost: 0,
    audits: 0,
    auditsFailed: 0,
  };

  readonly follow = { versions: 0, released: 0, failures: 0 };
  readonly pinlist = { reads: 0, badLines: 0, added: 0, released: 0 };
  readonly http = { requests: 0, hotPath: 0, rateLimited: 0, overloaded: 0, errors: 0 };
  readonly push = {
    connections: 0,
    streams: 0,
    subscriptions: 0,
    refused: 0,
    updatesSent: 0,
    updatesLeftOut: 0,
    slowClientsDropped: 0,
    silentClientsDropped: 0,
  };

  readonly webhooks = { delivered: 0, failed: 0, outdated: 0 };
  readonly announcements = {
    eventsReceived: 0,
    eventsTaken: 0,
    eventsKnown: 0,
    eventsRefused: 0,
    eventsFailed: 0,
    cidsTaken: 0,
    recordsTaken: 0,
    recordsRefused: 0,
    valuesMalformed: 0,
    published: 0,
    publishFailed: 0,
    reannounced: 0,
  };

  readonly backend = { restarts: 0 };
}
