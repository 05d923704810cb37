import { type Kubo, startKubo } from "../../packages/server/test/support/start-kubo.ts";

/** What a node keeps its pins in, connected to a Kubo that has content. */
export interface TestBackend extends AsyncDisposable {
  /** For the node. */
  readonly env: Readonly<Record<string, string>>;
  /** What a repository of its own pins, asked there. */
  pinned?(): Promise<readonly string[]>;
}

type StartBackend = (provider: Kubo) => Promise<TestBackend>;

/** Which every repository has from its birth: an empty directory. */
const PINNED_BY_BIRTH = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

const startKuboBeside: StartBackend = async (provider) => {
  const kubo = await startKubo({ label: "behind", peers: [provider.addr] });
  return {
    env: { HOLDFAST_BACKEND: "kubo", HOLDFAST_KUBO_RPC_URL: kubo.apiUrl },
    pinned: async () => {
      const { Keys } = await kubo.json<{ Keys: Readonly<Record<string, unknown>> }>("pin/ls?type=recursive");
      return Object.keys(Keys).filter((cid) => cid !== PINNED_BY_BIRTH);
    },
    [Symbol.asyncDispose]: () => kubo[Symbol.asyncDispose](),
  };
};

const startEmbeddedBeside: StartBackend = (provider) =>
  Promise.resolve({
    env: { HOLDFAST_BOOTSTRAP: provider.addr },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });

/** For `test.each`. */
export const BACKENDS: readonly (readonly [label: string, start: StartBackend])[] = [
  ["a real Kubo", startKuboBeside],
  ["our own vault", startEmbeddedBeside],
];
