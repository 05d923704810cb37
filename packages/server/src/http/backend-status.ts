/** What the listeners say about the backend. Structural: each backend's own status has at least this. */
export interface BackendStatus {
  status(): {
    /** `running` means that the network can be asked. */
    readonly state: string;
    /** When it came into this state, ms since the Unix epoch. */
    readonly sinceMs: number;
    /** How many peers are connected. */
    readonly peers: number;
    /** Undefined until it is known. */
    readonly peerId?: string | undefined;
    /** Multiaddrs on which it listens, with or without `/p2p/…`. */
    readonly addrs?: readonly string[];
    /** Of the program, if it is not ours. */
    readonly version?: string | undefined;
  };
}
