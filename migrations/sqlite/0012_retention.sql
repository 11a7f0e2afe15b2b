-- How far retention has looked at each kind of row, in the order of ids, and what it has to look at again.

CREATE TABLE retention_walk (
  what  TEXT PRIMARY KEY,
  after TEXT NOT NULL
);

-- Rows that were old enough but still open, or had ended only lately.
CREATE TABLE retention_later (
  what    TEXT NOT NULL,
  id      TEXT NOT NULL,
  look_at BIGINT NOT NULL,
  PRIMARY KEY (what, id)
);
CREATE INDEX retention_later_due ON retention_later (what, look_at);
