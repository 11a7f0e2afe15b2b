-- How the providers stand, for all processes on one database.

-- What each process sees of its own binds.
CREATE TABLE provider_link (
  provider TEXT NOT NULL,
  owner    TEXT NOT NULL,
  is_up    BOOLEAN NOT NULL,
  seen_at  BIGINT NOT NULL,
  PRIMARY KEY (provider, owner)
);

-- What all of them come to, and since when: whoever moves a row tells the event.
CREATE TABLE provider_state (
  provider TEXT PRIMARY KEY,
  state    TEXT NOT NULL,                   -- up | down
  since    BIGINT NOT NULL
);

-- The points of a route that are not those at rest.
CREATE TABLE route_weight (
  route    TEXT PRIMARY KEY,                -- sms:+86
  weights  TEXT NOT NULL,                   -- {"provider": points}
  moved_at BIGINT NOT NULL
);
