import type { AnnouncedRecords, PinRequests } from "./announce/pin-requests.ts";
import type { AllPins } from "./announce/pin-walk.ts";
import type { Pins } from "./pins/pins.ts";
import type { Records } from "./records/records.ts";

/** The rooms of pins and records, as the room of announcements knows them. */

export function pinRequests(pins: Pins): PinRequests {
  return {
    isClaimedBy: (root, author) => pins.claim(root, { source: "nostr", holder: author }) !== undefined,
    add: async (roots, { author, label, createdAtMs }) => {
      const claim = { source: "nostr", holder: author, name: label, createdAtMs } as const;
      await pins.add(roots.map((root) => ({ root, recursive: true, claim, isStored: false })));
    },
  };
}

export function announcedRecords(records: Records): AnnouncedRecords {
  return {
    publish: async (name, bytes) => {
      await records.publish(name, bytes, { origin: "peer-push" });
    },
    isHeld: (name) => records.held(name) !== undefined,
    lookUp: async (name, signal) => {
      await records.resolve(name, { signal });
    },
  };
}

export function allPins(pins: Pins): AllPins {
  return {
    page(after, limit) {
      const page = pins.list({ limit, after });
      const roots = page.pins.flatMap(({ root, state }) =>
        state === "pinned" || state === "provided" ? [root] : [],
      );
      return { roots, next: page.next };
    },
  };
}
