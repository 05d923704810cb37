/**
 * What was pinned or stored here and is to be announced, noted in the transaction that made it so: a process that is killed
 * a moment later still announces it. Rows live until their announcement is in `outgoing_announcements`.
 */
export const ANNOUNCEMENT_NEWS = `
  CREATE TABLE announcement_news (
    id INTEGER PRIMARY KEY NOT NULL,
    pin_id INTEGER, -- of what is pinned; else
    name BLOB -- of what has a new record
  ) STRICT;

  -- own: what announcements brought is not announced again; all: that, too. No row: nothing is noted.
  CREATE TABLE announcement_scope (
    scope TEXT NOT NULL
  ) STRICT;

  CREATE TRIGGER note_added_pin AFTER INSERT ON pins
  WHEN new.state = 'pinned' AND EXISTS (
    SELECT 1 FROM announcement_scope WHERE scope = 'all' OR new.source <> 'nostr') BEGIN
    INSERT INTO announcement_news VALUES (NULL, new.id, NULL);
  END;
  CREATE TRIGGER note_pinned AFTER UPDATE OF state ON pins
  WHEN new.state = 'pinned' AND old.state NOT IN ('pinned', 'provided') AND EXISTS (
    SELECT 1 FROM announcement_scope WHERE scope = 'all' OR new.source <> 'nostr') BEGIN
    INSERT INTO announcement_news VALUES (NULL, new.id, NULL);
  END;
  CREATE TRIGGER note_added_record AFTER INSERT ON records
  WHEN new.origin IN ('client', 'peer-push') AND EXISTS (
    SELECT 1 FROM announcement_scope WHERE scope = 'all' OR new.origin = 'client') BEGIN
    INSERT INTO announcement_news VALUES (NULL, NULL, new.name);
  END;
  CREATE TRIGGER note_replaced_record AFTER UPDATE OF bytes ON records
  WHEN new.origin IN ('client', 'peer-push') AND EXISTS (
    SELECT 1 FROM announcement_scope WHERE scope = 'all' OR new.origin = 'client') BEGIN
    INSERT INTO announcement_news VALUES (NULL, NULL, new.name);
  END;
`;
