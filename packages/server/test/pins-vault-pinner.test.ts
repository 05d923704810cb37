import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { MemoryPinStore } from "../src/adapters/memory/pin-store.ts";
import { Blocks } from "../src/content/blocks.ts";
import { VaultPinner } from "../src/pins/vault-pinner.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { pinnerContract } from "./contracts/pinner.contract.ts";
import { ScriptedSource } from "./support/scripted-source.ts";

const RULES = { storedIsPinned: true, provides: false };

function setUp() {
  const vault = new MemoryBlockStore();
  const other = new ScriptedSource("other");
  const pins = new MemoryPinStore();
  const blocks = new Blocks({ vault, sources: [other], metrics: new Metrics() });
  return { vault, other, pins, blocks, pinner: new VaultPinner({ vault, blocks, pins }) };
}

pinnerContract(
  "our vault",
  async () => {
    const { vault, other, pins, pinner } = setUp();
    const claim = { source: "pin-add", holder: "", name: undefined, createdAtMs: 1 } as const;
    return {
      pinner,
      vault,
      giveToOther: async (_root, blocks) => {
        for (const block of blocks) other.add(block);
      },
      wish: async (root, recursive) =>
        void (await pins.add([{ root, recursive, claim, isStored: false }], RULES)),
      release: async (root) => void (await pins.release(root, claim, 2)),
      [Symbol.asyncDispose]: async () => {},
    };
  },
  { isShared: false },
);
