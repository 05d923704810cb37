/** Filled by triggers of the store thread's own connection, so that nothing is written while no webhook is configured. */
export const WEBHOOKS = `
  CREATE TABLE webhook_endpoints (
    id INTEGER PRIMARY KEY NOT NULL,
    url TEXT NOT NULL UNIQUE
  ) STRICT;

  -- What an endpoint has not confirmed yet: one row for each name, moved to the end by each change of it.
  CREATE TABLE webhook_deliveries (
    change INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    endpoint_id INTEGER NOT NULL,
    name BLOB NOT NULL,
    UNIQUE (name, endpoint_id)
  ) STRICT;
  CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (endpoint_id, change);
`;
