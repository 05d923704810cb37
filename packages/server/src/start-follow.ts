import { ListFile } from "./adapters/list-files/list-file.ts";
import type { SqliteRecordStore } from "./adapters/sqlite/record-store.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import { FOLLOWED_NAMES_MAX, KEEP_DEFAULT, KEEP_MAX, parseFollowEntry } from "./config/follow.ts";
import { followedRecords } from "./follow-ports.ts";
import { FollowList } from "./pins/follow/follow-list.ts";
import { Follows } from "./pins/follow/follows.ts";
import type { ListReader } from "./pins/list/list-file.ts";
import { PinList } from "./pins/list/pin-list.ts";
import type { Pins } from "./pins/pins.ts";
import { FOLLOW_POLICY, FRESH_KEEPER_POLICY, LIST_FILE_POLICY, PIN_LIST_RETRY_MS } from "./policies.ts";
import { FreshKeeper } from "./records/lookup/fresh-keeper.ts";
import type { Records } from "./records/records.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

export interface FollowNeeds {
  readonly recordStore: SqliteRecordStore;
  readonly records: Records;
  readonly pins: Pins;
  readonly backend: Backend;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Names whose content is kept as it changes, and the operator's lists. */
export interface Following {
  readonly follows: Follows;
  /** Begins to follow, and reads the lists. */
  start(): void;
}

/** Following, on this stack. Which names are followed is known; nothing happens before its `start`. */
export async function createFollowing(
  config: Config,
  needs: FollowNeeds,
  stack: AsyncDisposableStack,
): Promise<Following> {
  const { recordStore, records, pins, metrics } = needs;
  const logger = needs.logger.child({ part: "follow" });
  const { pinner } = needs.backend;
  const shared = { clock: systemClock, timers: systemClock, metrics, logger };
  const follows = stack.use(
    await Follows.open(
      {
        ...shared,
        store: recordStore.follows,
        records: followedRecords(records, systemClock),
        pins,
        ...(pinner && {
          isInRepository: (root, { signal }) => pinner.isPinned(root, { recursive: true, signal }),
        }),
      },
      { ...FOLLOW_POLICY, namesMax: FOLLOWED_NAMES_MAX, keepDefault: KEEP_DEFAULT, keepMax: KEEP_MAX },
    ),
  );
  const lists: ListFile[] = [];
  const addList = (path: string, reader: ListReader): void => {
    lists.push(stack.use(new ListFile({ ...shared, reader }, { ...LIST_FILE_POLICY, path })));
  };
  const names = { namesMax: FOLLOWED_NAMES_MAX };
  const { follow, pinList } = config;
  if (follow !== undefined && "file" in follow)
    addList(follow.file, new FollowList({ follows, parse: parseFollowEntry, logger }, names));
  if (pinList !== undefined) {
    const parts = { ...shared, pins, follows, listed: recordStore.listedPins };
    addList(pinList, new PinList(parts, { ...names, retryMs: PIN_LIST_RETRY_MS }));
  }
  if (follow !== undefined && "names" in follow)
    await follows.setListed("setting", follow.names, { isComplete: true });
  return {
    follows,
    start() {
      follows.start();
      keepFresh(records, follows, stack);
      for (const list of lists) list.start();
    },
  };
}

/** A followed name is to be heard of soon whether anybody reads it or not. */
function keepFresh(records: Records, follows: Follows, stack: AsyncDisposableStack): void {
  const only = {
    held: (name: Parameters<Records["held"]>[0]) => records.held(name),
    isKnownAbsent: (name: Parameters<Records["held"]>[0]) => records.isKnownAbsent(name),
    refreshBehind: (name: Parameters<Records["held"]>[0]) => records.refreshBehind(name),
    get refreshesWaiting() {
      return records.refreshesWaiting;
    },
    // Those that are read are somebody else's.
    popularNames: () => [],
  };
  const parts = {
    records: only,
    warm: follows,
    clock: systemClock,
    timers: systemClock,
    random: Math.random,
  };
  const keeper = new FreshKeeper(parts, FRESH_KEEPER_POLICY);
  stack.defer(() => keeper.close());
}
