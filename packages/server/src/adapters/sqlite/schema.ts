import type { DatabaseSync } from "node:sqlite";
import { RECORDS } from "./migrations/0001-records.ts";
import { PINNED_ROOTS } from "./migrations/0002-pinned-roots.ts";
import { PIN_TOTALS } from "./migrations/0003-pin-totals.ts";
import { PINS } from "./migrations/0004-pins.ts";
import { PROPAGATIONS } from "./migrations/0005-propagations.ts";
import { ANOMALIES } from "./migrations/0006-anomalies.ts";
import { ANNOUNCEMENTS } from "./migrations/0007-announcements.ts";
import { PIN_REQUESTS } from "./migrations/0008-pin-requests.ts";
import { WEBHOOKS } from "./migrations/0009-webhooks.ts";
import { FOLLOWED_NAMES } from "./migrations/0010-followed-names.ts";
import { ANNOUNCEMENT_NEWS } from "./migrations/0011-announcement-news.ts";
import { OpenError } from "./open-error.ts";

/** Forward only: entry n takes a database from `user_version` n to n + 1. Entries are never edited once released. */
const MIGRATIONS: readonly string[] = [
  RECORDS,
  PINNED_ROOTS,
  PIN_TOTALS,
  PINS,
  PROPAGATIONS,
  ANOMALIES,
  ANNOUNCEMENTS,
  PIN_REQUESTS,
  WEBHOOKS,
  FOLLOWED_NAMES,
  ANNOUNCEMENT_NEWS,
];

/** @throws OpenError `newer-schema` when a later version of Holdfast wrote the database. */
export function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version > MIGRATIONS.length) {
    throw new OpenError(
      "newer-schema",
      `The database has version ${version}, this Holdfast knows versions up to ${MIGRATIONS.length}`,
    );
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
