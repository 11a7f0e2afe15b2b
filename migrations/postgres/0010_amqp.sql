-- Which process tells a sink, and until when nobody else may.
ALTER TABLE outbox ADD COLUMN lease_owner TEXT;
ALTER TABLE outbox ADD COLUMN lease_until BIGINT;

-- Messages that were called off by their idempotency key before they came.
CREATE TABLE called_off (
  source     TEXT NOT NULL,
  dedupe_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (source, dedupe_key)
);
CREATE INDEX called_off_created ON called_off (created_at);
