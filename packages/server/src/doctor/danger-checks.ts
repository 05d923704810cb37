import { isLoopback } from "./addresses.ts";
import type { Check, KuboSetting, Severity, Trouble } from "./check.ts";
import { formatBytes } from "./format.ts";
import type { KuboFacts } from "./kubo-facts.ts";

/** Share of the GC's threshold from which on it is too near: a node that is written to fills the rest before anyone looks. */
const NEAR_LIMIT = 0.8;
const GIGABYTE = 1e9;
/** Kubo's own floor for a new repository. */
const STORAGE_MAX_BYTES_MIN = 10 * GIGABYTE;

/** `Provide.*` exists from here on; an older Kubo has other keys, and what is said of providing is not exact. */
const PROVIDE_KEYS_SINCE = [0, 38];
/**
 * Releases before this one let a remote peer fill the memory (CVE-2026-46679, CVE-2026-57497), and can crash on
 * `routing/findprovs`, which Holdfast calls all day.
 */
const SECURE_SINCE = [0, 43];

/**
 * What loses data or opens the node to strangers.
 *
 * None is safe to set unasked. A limit of storage depends on the disk, which the operator knows and we do not: one that is
 * too high fills it. Taking a listener off an address cuts off whoever uses it, us included, and may leave the operator
 * of a remote machine outside; putting a login on the RPC needs a secret that we must not make up.
 */
export const DANGER_CHECKS: readonly Check[] = [
  {
    id: "gc-storage-max",
    why: "Automatic GC deletes every block that is not pinned once the repo passes the limit, silently; live data was lost this way.",
    safe: false,
    look: lookAtGc,
  },
  {
    id: "rpc-exposed",
    why: "Whoever reaches the RPC reads and changes the configuration, the keys and all content, without a login.",
    safe: false,
    look: (facts) => {
      const open = facts.rpcListen.filter((addr) => !isLoopback(addr));
      if (open.length === 0 || facts.rpcNeedsLogin) return undefined;
      return {
        severity: "critical",
        is: `The RPC listens on ${open.join(", ")} (Addresses.API) and asks for no login.`,
        settings: [{ key: "Addresses.API", value: onLoopback(facts.rpcListen) }],
        steps: [
          "or require a login: set API.Authorizations (https://github.com/ipfs/kubo/blob/master/docs/config.md#apiauthorizations)",
          "in a container, publish the port to loopback only: -p 127.0.0.1:5001:5001",
        ],
      };
    },
  },
  {
    id: "rpc-any-origin",
    why: "Any web page opened in a browser that reaches the RPC can command the node with it.",
    safe: false,
    look: (facts) =>
      facts.rpcAllowedOrigins.includes("*") && !facts.rpcNeedsLogin
        ? {
            severity: "critical",
            is: "The RPC accepts requests from every web page (API.HTTPHeaders allows the origin *).",
            settings: [{ key: "API.HTTPHeaders.Access-Control-Allow-Origin", value: [] }],
          }
        : undefined,
  },
  {
    id: "gateway-exposed",
    why: "Clients can go round Holdfast: its cache, limits and lists do not apply to what they fetch there.",
    safe: false,
    look: (facts) => {
      const open = facts.gatewayListen.filter((addr) => !isLoopback(addr));
      if (open.length === 0) return undefined;
      return {
        severity: "warning",
        is: `Kubo's own gateway listens on ${open.join(", ")} (Addresses.Gateway).`,
        settings: [{ key: "Addresses.Gateway", value: onLoopback(facts.gatewayListen) }],
      };
    },
  },
  {
    id: "version",
    why: "Kubo before 0.43 lets a remote peer fill its memory (CVE-2026-46679, CVE-2026-57497) and can crash on routing queries.",
    safe: false,
    look: (facts) => {
      if (isAtLeast(facts.version, SECURE_SINCE)) return undefined;
      const oldKeys = isAtLeast(facts.version, PROVIDE_KEYS_SINCE)
        ? []
        : [
            "its keys for providing have other names (Reprovider.*): what is said about provide-* is not exact",
          ];
      return {
        severity: "warning",
        is: `This is Kubo ${facts.version}.`,
        settings: [],
        steps: ["install Kubo 0.43 or later; back up the repo first, it is migrated in place", ...oldKeys],
      };
    },
  },
];

function lookAtGc(facts: KuboFacts): Trouble | undefined {
  const { repoBytes, storageMaxBytes, gcWatermarkPercent, gcEnabled } = facts;
  const startsAtBytes = (storageMaxBytes * gcWatermarkPercent) / 100;
  const isNear = repoBytes >= startsAtBytes * NEAR_LIMIT;
  const isOver = repoBytes >= startsAtBytes;
  if (!(isNear && gcEnabled !== false) && !isOver) return undefined;
  const limit = `${formatBytes(startsAtBytes)} (${gcWatermarkPercent} % of StorageMax ${formatBytes(storageMaxBytes)})`;
  const state =
    gcEnabled === true
      ? "GC is on (--enable-gc) and starts"
      : gcEnabled === false
        ? "GC is off now; started with --enable-gc it would start"
        : "Whether GC is on cannot be seen; if so (--enable-gc) it starts";
  const severity: Severity = gcEnabled === false ? "warning" : "critical";
  const settings: readonly KuboSetting[] = [{ key: "Datastore.StorageMax", value: storageMaxFor(repoBytes) }];
  const steps = gcEnabled === false ? [] : ["or start the daemon without --enable-gc"];
  return { severity, is: `${state} at ${limit}; the repo has ${formatBytes(repoBytes)}.`, settings, steps };
}

/** The same listeners on loopback; one is written plain, as Kubo does. */
function onLoopback(multiaddrs: readonly string[]): string | readonly string[] {
  const moved = multiaddrs.map((addr) =>
    isLoopback(addr) ? addr : ["", "ip4", "127.0.0.1", ...addr.split("/").slice(3)].join("/"),
  );
  const [only = "", ...others] = new Set(moved);
  return others.length === 0 ? only : [only, ...others];
}

/** Twice the repo, in whole GB. */
function storageMaxFor(repoBytes: number): string {
  return `${Math.ceil(Math.max(2 * repoBytes, STORAGE_MAX_BYTES_MIN) / GIGABYTE)}GB`;
}

/** `0.43.0-rc1` counts as 0.43. What is no version at all counts as too old. */
function isAtLeast(version: string, [major = 0, minor = 0]: readonly number[]): boolean {
  const [, majorText, minorText] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (majorText === undefined) return false;
  return Number(majorText) > major || (Number(majorText) === major && Number(minorText) >= minor);
}
