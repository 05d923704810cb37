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
    rejected: 0,
    lookups: 0,
    lookupsShared: 0,
    refreshes: 0,
    refreshesDropped: 0,
    pushedByPeers: 0,
    propagated: 0,
    propagationFailed: 0,
  };

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
  };

  readonly sidecar = {
    submitsAccepted: 0,
    submitsKnown: 0,
    submitsInvalid: 0,
    submitsTooLarge: 0,
    submitsOverloaded: 0,
    blobHits: 0,
    blobMisses: 0,
  };

  readonly http = { requests: 0, hotPath: 0, rateLimited: 0, overloaded: 0, errors: 0 };
  readonly push = { connections: 0, subscriptions: 0, updatesSent: 0, slowClientsDropped: 0 };
  readonly backend = { restarts: 0 };
}
