-- Campaigns, rules that wait for a second person, the days of rules with a daily cap, patients' own settings.

-- A manual rule that somebody started.
CREATE TABLE campaign (
  id           TEXT PRIMARY KEY,
  rule_id      TEXT NOT NULL,
  at           BIGINT NOT NULL,             -- its moment, a whole minute
  occurrence   TEXT NOT NULL,               -- the same on the rule's wall clock, as its reminders have it; '' until planned
  state        TEXT NOT NULL,               -- counting | waiting | planning | planned | cancelled
  timing       TEXT NOT NULL,               -- of the rule it was planned by; another one in the book: plan it anew
  walk_after   TEXT,                        -- the last patient that was counted or planned
  reach        BIGINT NOT NULL,             -- patients it reaches
  not_reached  TEXT NOT NULL,               -- {"opted_out":12}: patients it does not, by reason
  started_by   TEXT NOT NULL,
  approved_by  TEXT,
  cancelled_by TEXT,
  created_at   BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX campaign_moment ON campaign (rule_id, at) WHERE state <> 'cancelled';
CREATE INDEX campaign_created ON campaign (created_at, id);

-- Whether what a rule planned may go out.
CREATE TABLE rule_switch (
  rule_id  TEXT PRIMARY KEY,
  timing   TEXT NOT NULL,
  mode     TEXT NOT NULL,                   -- live | shadow
  state    TEXT NOT NULL,                   -- checking | waiting | open | approved
  baseline BIGINT NOT NULL,                 -- patients with something due within a day before it was switched on
  reach    BIGINT NOT NULL,                 -- and how many more there were after
  approver TEXT,
  since    BIGINT NOT NULL,
  at       BIGINT                           -- when it was approved
);

-- Which day a patient has of a rule with a daily cap. It stays once given.
CREATE TABLE rule_slot (
  rule_id    TEXT NOT NULL,
  occurrence TEXT NOT NULL,
  part       TEXT NOT NULL,                 -- the day it would be without a cap
  patient_id TEXT NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
  day        TEXT NOT NULL,                 -- 2026-09-15
  cap        BIGINT NOT NULL,               -- the cap it was given under
  PRIMARY KEY (rule_id, patient_id, occurrence, part)
);
CREATE INDEX rule_slot_day ON rule_slot (rule_id, day);
CREATE INDEX rule_slot_patient ON rule_slot (patient_id);

-- How many patients a day has already.
CREATE TABLE rule_day (
  rule_id TEXT NOT NULL,
  day     TEXT NOT NULL,
  n       BIGINT NOT NULL,
  PRIMARY KEY (rule_id, day)
);

-- What one patient has of a rule that others have not.
CREATE TABLE rule_override (
  patient_id TEXT NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
  rule_id    TEXT NOT NULL,
  is_off     BOOLEAN NOT NULL,
  leads      TEXT,                          -- ["5d","1d"]
  channels   TEXT,                          -- ["voice","sms"]
  set_by     TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (patient_id, rule_id)
);
