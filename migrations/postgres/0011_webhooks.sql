-- Webhooks: other systems that are told of events by HTTP.

-- One endpoint. What it has still to hear is a cursor into the feed of events, not a copy of them.
CREATE TABLE webhook (
  id              TEXT PRIMARY KEY,
  name            TEXT NOT NULL,
  url             TEXT NOT NULL,
  types           TEXT NOT NULL,               -- ["message.*","reply.received"]; [] is all
  include         TEXT NOT NULL,               -- ["text"]: what bodies tell beyond ids and states
  in_flight       BIGINT NOT NULL,             -- requests at once; 1 keeps the order
  secret          TEXT NOT NULL,
  old_secret      TEXT,                        -- signs as well until then
  old_secret_until BIGINT,
  state           TEXT NOT NULL,               -- enabled | disabled
  disabled_reason TEXT,                        -- person | gone | failing
  cursor          BIGINT NOT NULL,             -- the number of the last event that is done with
  tries           BIGINT NOT NULL,             -- refusals of the next event so far
  due_at          BIGINT NOT NULL,             -- not before
  failing_since   BIGINT,                      -- the first failure since something was taken
  last_taken_at   BIGINT,
  problem         TEXT,                        -- of the last failure, while it fails
  problem_status  BIGINT,
  lease_owner     TEXT,
  lease_until     BIGINT,
  fence           BIGINT NOT NULL,
  created_by      TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL
);
CREATE INDEX webhook_created ON webhook (created_at, id);

-- The few events that go beside the cursor: put aside since they alone are refused, asked for again, or tests.
CREATE TABLE webhook_aside (
  id         TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL,
  event_id   TEXT NOT NULL,
  kind       TEXT NOT NULL,                    -- retry | replay | test
  tries      BIGINT NOT NULL,
  due_at     BIGINT NOT NULL,
  first_at   BIGINT NOT NULL
);
CREATE INDEX webhook_aside_due ON webhook_aside (webhook_id, due_at);

-- What was tried, for people to look at; deleted after some days.
CREATE TABLE webhook_delivery (
  id         TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL,
  event_id   TEXT NOT NULL,
  event_type TEXT NOT NULL,
  try        BIGINT NOT NULL,                  -- from 1
  at         BIGINT NOT NULL,
  took_ms    BIGINT NOT NULL,
  outcome    TEXT NOT NULL,                    -- taken | refused | given_up
  problem    TEXT,
  status     BIGINT                            -- of the answer, if one came
);
CREATE INDEX webhook_delivery_at ON webhook_delivery (webhook_id, at, id);
CREATE INDEX webhook_delivery_old ON webhook_delivery (at);
