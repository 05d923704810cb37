import { join } from "node:path";
import { withBitswap } from "@helia/bitswap";
import { withLibp2pLight } from "@helia/libp2p";
import { identify, identifyPush } from "@libp2p/identify";
import type { Libp2p } from "@libp2p/interface";
import { kadDHT, passthroughMapper, removePrivateAddressesMapper, type SingleKadDHT } from "@libp2p/kad-dht";
import type { VerifySignature } from "@holdfast/core";
import { noise } from "@libp2p/noise";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { tls } from "@libp2p/tls";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import { type BlockBroker, createHeliaLight, type Router } from "helia";
import { DHT_PREFIX, type DhtDatastore } from "./dht-datastore.ts";
import { HASHERS } from "./hashers.ts";
import { loadIdentity } from "./identity.ts";
import { ipnsSelector, ipnsValidator } from "./ipns-in-dht.ts";
import type { NodeThreadSettings } from "./protocol.ts";
import type { ThreadBlockstore } from "./thread-blockstore.ts";

/**
 * Takes the place of Helia's router over libp2p (the name decides): a bitswap session whose peer says no would ask the
 * DHT for each block, where our own search asks once. It must find nobody; a router that cannot look hangs the session.
 */
const NO_ROUTER: Router = {
  name: "libp2p-router",
  findProviders: async function* () {
    // Nobody.
  },
};

export interface IpfsNode {
  readonly libp2p: Libp2p;
  readonly dht: SingleKadDHT;
  readonly bitswap: BlockBroker;
  readonly stop: () => Promise<void>;
}

/** All peers of a private network, or of a test, may come from one host. */
const INBOUND_PER_HOST_AND_SECOND_MAX = 1_000;
const CONNECTIONS_MAX = 300;
const BITSWAP_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Starts libp2p with one DHT, and bitswap. Only what is listed here exists: no autonat, UPnP, mDNS, relay, WebRTC. */
export async function createNode(
  settings: NodeThreadSettings,
  parts: {
    readonly blockstore: ThreadBlockstore;
    readonly datastore: DhtDatastore;
    readonly verifySignature: VerifySignature;
  },
): Promise<IpfsNode> {
  const { blockstore, datastore } = parts;
  const privateKey = await loadIdentity(join(settings.dataDir, "node.key"));
  // Helia gives the components to whoever makes a broker, and puts bitswap's broker among them when it starts.
  let brokers: () => readonly BlockBroker[] = () => [];
  const light = createHeliaLight({
    blockstore,
    datastore,
    hashers: HASHERS,
    blockBrokers: [
      (components: { readonly blockBrokers: readonly BlockBroker[] }) => {
        brokers = () => components.blockBrokers;
        return { name: "none" };
      },
    ],
    routers: [NO_ROUTER],
  });
  const helia = withBitswap(
    withLibp2pLight(light, {
      privateKey,
      datastore,
      addresses: { listen: [...settings.swarmListen] },
      transports: [tcp(), webSockets()],
      connectionEncrypters: [noise(), tls()],
      streamMuxers: [yamux()],
      connectionManager: {
        inboundConnectionThreshold: INBOUND_PER_HOST_AND_SECOND_MAX,
        maxConnections: CONNECTIONS_MAX,
      },
      services: {
        identify: identify(),
        identifyPush: identifyPush(),
        ping: ping(),
        dht: dhtOf(settings.network, parts.verifySignature),
      },
    }),
    // Waiting for more wants to send together costs more than it saves.
    { sendWantlistDebounce: 0, sendBlocksDebounce: 0, maxIncomingMessageSize: BITSWAP_MESSAGE_BYTES_MAX },
  );
  await helia.start();
  const bitswap = brokers().find((b) => b.name === "bitswap");
  if (bitswap === undefined) throw new Error("Helia started without bitswap");
  return {
    libp2p: helia.libp2p,
    dht: helia.libp2p.services.dht as SingleKadDHT,
    bitswap,
    stop: async () => {
      await helia.stop();
    },
  };
}

function dhtOf(
  network: NodeThreadSettings["network"],
  verifySignature: VerifySignature,
): ReturnType<typeof kadDHT> {
  const common = {
    validators: { ipns: ipnsValidator(verifySignature) },
    selectors: { ipns: ipnsSelector },
    // Without it a query with an empty routing table waits for ever.
    allowQueryWithZeroPeers: true,
    datastorePrefix: DHT_PREFIX,
  };
  return network === "public"
    ? kadDHT({
        ...common,
        protocol: "/ipfs/kad/1.0.0",
        clientMode: true,
        peerInfoMapper: removePrivateAddressesMapper,
      })
    : // The default mapper would drop every private and loopback address.
      kadDHT({
        ...common,
        protocol: "/ipfs/lan/kad/1.0.0",
        clientMode: false,
        peerInfoMapper: passthroughMapper,
      });
}
