import { type KuboAnswers, readKuboFacts, type KuboFacts } from "../../src/doctor/kubo-facts.ts";

type Config = Readonly<Record<string, unknown>>;

/** Answers in the form of Kubo 0.43's, of a node on which the doctor finds nothing. */
export function healthyAnswers(config: Config = {}, answers: Partial<KuboAnswers> = {}): KuboAnswers {
  return {
    version: { Version: "0.43.0", Commit: "", Repo: "18", System: "amd64/linux", Golang: "go1.26.8" },
    repoStat: {
      RepoSize: 1_000_000_000,
      StorageMax: 10_000_000_000,
      NumObjects: 0,
      RepoPath: "",
      Version: "",
    },
    config: {
      API: { HTTPHeaders: {} },
      Addresses: {
        API: "/ip4/127.0.0.1/tcp/5001",
        Announce: [],
        AppendAnnounce: [],
        Gateway: "/ip4/127.0.0.1/tcp/8080",
        Swarm: ["/ip4/0.0.0.0/tcp/4001"],
      },
      AutoTLS: {},
      Datastore: { StorageMax: "10GB", StorageGCWatermark: 90, BloomFilterSize: 16_777_216 },
      Gateway: { ExposeRoutingAPI: null },
      Ipns: { ResolveCacheSize: 16_384 },
      Provide: { DHT: {} },
      Routing: { AcceleratedDHTClient: true, DelegatedRouters: ["auto"] },
      Swarm: { ConnMgr: { LowWater: 600, HighWater: 900 }, Transports: { Network: {} } },
      ...config,
    },
    id: { ID: "12D3KooW", Addresses: ["/ip4/203.0.113.7/tcp/4001/p2p/12D3KooW"] },
    peers: { Peers: [{ Addr: "/ip4/203.0.113.9/tcp/4001", Peer: "12D3KooX" }] },
    commandLine: ["ipfs", "daemon", ""],
    rpcNeedsLogin: false,
    ...answers,
  };
}

/** Facts of a node on which the doctor finds nothing, but for what is given. */
export function factsWith(facts: Partial<KuboFacts> = {}): KuboFacts {
  return { ...readKuboFacts(healthyAnswers()), ...facts };
}
