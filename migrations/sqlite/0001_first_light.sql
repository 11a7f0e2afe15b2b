-- The tables of first light. Instants are milliseconds UTC, ids are text with a prefix, documents are JSON text.
-- Both databases take the same statements; what differs stands at the foot of each file.

CREATE TABLE site (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE department (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  public_name TEXT,
  created_at  BIGINT NOT NULL
);

CREATE TABLE staff (
  id         TEXT PRIMARY KEY,
  source     TEXT NOT NULL,
  source_key TEXT NOT NULL,
  name       TEXT NOT NULL,
  department TEXT,
  role       TEXT,
  phone      TEXT,
  email      TEXT,
  active     BOOLEAN NOT NULL,
  row_hash   TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  UNIQUE (source, source_key)
);

-- What was ever read from a source: the first import tells old bookings from new ones.
CREATE TABLE source (
  name              TEXT PRIMARY KEY,
  first_imported_at BIGINT NOT NULL
);

CREATE TABLE patient (
  id             TEXT PRIMARY KEY,
  source         TEXT NOT NULL,
  source_key     TEXT NOT NULL,
  name           TEXT NOT NULL,             -- {"full","given","family"}
  sex            TEXT,
  birth_on       TEXT,                      -- 1975-04-02
  birth_md       BIGINT,                    -- 402: month * 100 + day, null where a lunar birthday is kept
  lunar_md       BIGINT,                    -- 815: the lunar birthday they keep
  language       TEXT,
  deceased       BOOLEAN NOT NULL,
  special        BOOLEAN NOT NULL,
  held           BOOLEAN NOT NULL,
  tags           TEXT NOT NULL,             -- ["vip"]
  prefer         TEXT NOT NULL,             -- ["email","sms"]
  attributes     TEXT NOT NULL,
  version        BIGINT,                    -- of the source; an older one is ignored
  row_hash       TEXT NOT NULL,             -- of the whole record: the same input twice changes nothing
  created_at     BIGINT NOT NULL,
  updated_at     BIGINT NOT NULL,
  UNIQUE (source, source_key)
);
CREATE INDEX patient_birthday ON patient (birth_md, id) WHERE deceased = FALSE;
CREATE INDEX patient_lunar_birthday ON patient (lunar_md, id) WHERE lunar_md IS NOT NULL AND deceased = FALSE;

CREATE TABLE relation (
  id         TEXT PRIMARY KEY,
  patient_id TEXT NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
  source_key TEXT NOT NULL DEFAULT '',      -- '#1' … : told inside the patient's record; else a record of its own
  rank       BIGINT NOT NULL,
  kind       TEXT NOT NULL,
  name       TEXT,                          -- {"full","given","family"}
  language   TEXT,
  consented  BOOLEAN NOT NULL,
  row_hash   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX relation_patient ON relation (patient_id, source_key);

CREATE TABLE contact_point (
  id           TEXT PRIMARY KEY,
  patient_id   TEXT NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
  relation_id  TEXT REFERENCES relation (id) ON DELETE CASCADE, -- null: the patient's own
  kind         TEXT NOT NULL,               -- phone | email
  address      TEXT NOT NULL,
  address_hash TEXT NOT NULL,
  rank         BIGINT NOT NULL,
  status       TEXT NOT NULL                -- ok | wrong_number | invalid
);
CREATE INDEX contact_point_patient ON contact_point (patient_id);
CREATE INDEX contact_point_address ON contact_point (address_hash);
CREATE INDEX contact_point_relation ON contact_point (relation_id) WHERE relation_id IS NOT NULL;

-- Leave to send, or its withdrawal, as a record or a person said it. Scope: all, a class or a channel.
CREATE TABLE consent (
  patient_id  TEXT NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
  relation_id TEXT NOT NULL DEFAULT '',     -- '' : the patient
  scope       TEXT NOT NULL,
  granted     BOOLEAN NOT NULL,
  origin      TEXT NOT NULL,
  at          BIGINT NOT NULL,
  PRIMARY KEY (patient_id, relation_id, scope)
);

-- An address that is not to be used, whoever it belongs to. patient_id '' binds all, else that patient alone.
CREATE TABLE suppression (
  id           TEXT PRIMARY KEY,
  address_hash TEXT NOT NULL,
  patient_id   TEXT NOT NULL DEFAULT '',
  scope        TEXT NOT NULL,               -- all, a class or a channel
  reason       TEXT NOT NULL,               -- stop | wrong_number | deceased | complaint | import | staff
  created_at   BIGINT NOT NULL,
  lifted_at    BIGINT
);
CREATE UNIQUE INDEX suppression_standing ON suppression (address_hash, patient_id, scope) WHERE lifted_at IS NULL;

CREATE TABLE fact (
  id         TEXT PRIMARY KEY,
  patient_id TEXT NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
  source     TEXT NOT NULL,
  source_key TEXT NOT NULL,
  coding     BIGINT NOT NULL DEFAULT 0,     -- one row for each code of the same statement
  kind       TEXT NOT NULL,                 -- diagnosis, encounter, medication, vaccination, result …
  code       TEXT,
  system     TEXT,
  on_day     TEXT,                          -- 2026-07-24
  at         BIGINT,
  department TEXT,
  attributes TEXT NOT NULL,
  row_hash   TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  UNIQUE (source, kind, source_key, coding)
);
CREATE INDEX fact_patient ON fact (patient_id);
CREATE INDEX fact_code ON fact (kind, code, patient_id);
CREATE INDEX fact_day ON fact (kind, on_day, patient_id);

CREATE TABLE occasion (
  id           TEXT PRIMARY KEY,
  patient_id   TEXT NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
  source       TEXT NOT NULL,
  source_key   TEXT NOT NULL,
  kind         TEXT NOT NULL,
  local_at     TEXT NOT NULL,               -- 2026-07-24T10:00, or a day alone
  timezone     TEXT NOT NULL,
  at           BIGINT NOT NULL,             -- the instant of local_at
  status       TEXT NOT NULL,
  epoch        BIGINT NOT NULL,
  confirmation TEXT NOT NULL,
  created_at   BIGINT,                      -- null: was there before the first import of its source
  moved_at     BIGINT,
  cancelled_at BIGINT,
  department   TEXT,
  doctor       TEXT,
  place        TEXT,
  attributes   TEXT NOT NULL,
  version      BIGINT,
  row_hash     TEXT NOT NULL,
  updated_at   BIGINT NOT NULL,
  UNIQUE (source, source_key)
);
CREATE INDEX occasion_patient ON occasion (patient_id, at);
CREATE INDEX occasion_at ON occasion (kind, at);

-- What changed and has to be planned again. n tells a mark from a later one of the same patient.
CREATE TABLE plan_mark (
  patient_id TEXT PRIMARY KEY,
  n          BIGINT NOT NULL,
  marked_at  BIGINT NOT NULL
);
CREATE INDEX plan_mark_age ON plan_mark (marked_at, patient_id);

CREATE TABLE document (
  kind       TEXT NOT NULL,                 -- rule | template | reply_words
  id         TEXT NOT NULL,
  version    TEXT NOT NULL,                 -- hash of the body
  body       TEXT NOT NULL,
  origin     TEXT NOT NULL,                 -- provisioned | console
  state      TEXT NOT NULL,                 -- active | replaced | gone
  department TEXT,
  author     TEXT,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (kind, id, version)
);

CREATE TABLE reminder (
  id           TEXT PRIMARY KEY,
  plan_key     TEXT NOT NULL UNIQUE,        -- promise 1
  rule_id      TEXT NOT NULL,
  rule_version TEXT NOT NULL,
  timing       TEXT NOT NULL,               -- hash of what decides when and to whom
  class        TEXT NOT NULL,
  patient_id   TEXT,
  relation_id  TEXT,
  occasion_id  TEXT,
  epoch        BIGINT NOT NULL,
  occurrence   TEXT NOT NULL,
  step         TEXT NOT NULL,
  lead         TEXT NOT NULL,
  role         TEXT NOT NULL,
  department   TEXT,
  channels     TEXT NOT NULL,               -- ["sms","email"]
  template     TEXT NOT NULL,
  ask          TEXT,
  unless       TEXT,
  catch_up     BOOLEAN NOT NULL,
  due_at       BIGINT NOT NULL,
  planned_for  BIGINT,                      -- the moment it was planned for, where the composer put it off
  expires_at   BIGINT NOT NULL,
  state        TEXT NOT NULL,
  reason       TEXT,
  message_id   TEXT,
  task_id      TEXT,
  answer_to    TEXT,                        -- our own answers: the address that wrote, until it is composed
  data         TEXT,                        -- our own answers: {"language","data"} for the template
  created_at   BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL
);
CREATE INDEX reminder_due ON reminder (due_at, id) WHERE state = 'planned';
CREATE INDEX reminder_patient ON reminder (patient_id, due_at);
CREATE INDEX reminder_occasion ON reminder (occasion_id) WHERE occasion_id IS NOT NULL;
CREATE INDEX reminder_message ON reminder (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX reminder_rule ON reminder (rule_id, state, due_at);

-- How far each rule is planned, and where a walk over its candidates stands.
CREATE TABLE rule_plan (
  rule_id    TEXT PRIMARY KEY,
  timing     TEXT NOT NULL,                 -- another one in the book: the rule has to be planned anew
  until_at   BIGINT NOT NULL,               -- everything that is due before is planned
  walk_from  BIGINT,                        -- the walk that runs: its window, and the last patient it did
  walk_to    BIGINT,
  walk_after TEXT
);

CREATE TABLE message (
  id               TEXT PRIMARY KEY,
  source           TEXT NOT NULL,           -- rule | reply | cli | api:<key> | amqp:<client>
  dedupe_key       TEXT NOT NULL,           -- idempotency key, reminder key or the id itself
  body_hash        TEXT NOT NULL,           -- of the request, to tell a repeat from another use of its key
  class            TEXT NOT NULL,
  lane             TEXT NOT NULL,
  state            TEXT NOT NULL,
  reason           TEXT,
  patient_id       TEXT,
  relation_id      TEXT,
  occasion_id      TEXT,
  occasion_epoch   BIGINT,
  reminder_id      TEXT,
  rule_id          TEXT,
  role             TEXT NOT NULL,
  channels         TEXT NOT NULL,           -- ["sms","email"]
  channel_index    BIGINT NOT NULL,
  channel          TEXT NOT NULL,           -- the one it is on
  addresses        TEXT NOT NULL,           -- {"sms":"+86…"}
  address_hash     TEXT NOT NULL,           -- of the channel it is on
  bodies           TEXT NOT NULL,           -- {"sms":{"text":"…","subject":null}}
  language         TEXT,
  template         TEXT,
  template_version TEXT,
  ask              TEXT,
  sender           TEXT,
  reference        TEXT,
  provider         TEXT,                    -- the last it was handed to
  segments         BIGINT NOT NULL,
  attempts         BIGINT NOT NULL,         -- refused for now
  uncertain_resends BIGINT NOT NULL,
  possible_dup     BOOLEAN NOT NULL,
  no_resend        BOOLEAN NOT NULL,
  concat_ref       BIGINT NOT NULL,
  send_at          BIGINT NOT NULL,
  expires_at       BIGINT NOT NULL,
  created_at       BIGINT NOT NULL,
  updated_at       BIGINT NOT NULL,
  UNIQUE (source, dedupe_key)
);
CREATE INDEX message_patient ON message (patient_id, created_at);
CREATE INDEX message_created ON message (created_at, id);
CREATE INDEX message_state ON message (state, id);
CREATE INDEX message_address ON message (address_hash, created_at);
CREATE INDEX message_occasion ON message (occasion_id) WHERE occasion_id IS NOT NULL;
CREATE INDEX message_expiring ON message (state, expires_at) WHERE state IN ('scheduled', 'queued', 'held');

-- A row lives here only while its message needs work: to be sent, or to be looked at when a deadline passes.
CREATE TABLE dispatch (
  message_id  TEXT PRIMARY KEY,
  provider    TEXT NOT NULL,                -- whose queue it stands in
  lane        TEXT NOT NULL,
  work        TEXT NOT NULL,                -- send | deadline | held
  due_at      BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until BIGINT,
  fence       BIGINT NOT NULL
);
CREATE INDEX dispatch_ready ON dispatch (provider, lane, work, due_at, message_id) WHERE lease_owner IS NULL;
CREATE INDEX dispatch_deadline ON dispatch (due_at) WHERE work = 'deadline' AND lease_owner IS NULL;
CREATE INDEX dispatch_leased ON dispatch (lease_until) WHERE lease_owner IS NOT NULL;

-- The journal: the row is there before a byte leaves.
CREATE TABLE attempt (
  id           TEXT PRIMARY KEY,
  message_id   TEXT NOT NULL,
  n            BIGINT NOT NULL,
  fence        BIGINT NOT NULL,
  channel      TEXT NOT NULL,
  provider     TEXT NOT NULL,
  owner        TEXT NOT NULL,               -- the process that made it
  umr          BIGINT NOT NULL,
  concat_ref   BIGINT NOT NULL,
  address_hash TEXT NOT NULL,
  phase        TEXT NOT NULL,               -- prepared | accepted | not_sent | rejected | unknown | resolved_sent | resolved_not_sent
  error        TEXT,
  created_at   BIGINT NOT NULL,
  settled_at   BIGINT,
  UNIQUE (message_id, n)
);
CREATE INDEX attempt_open ON attempt (provider, umr) WHERE phase IN ('prepared', 'unknown');

-- One row for each part that the provider took; receipts are found by the provider's id.
CREATE TABLE attempt_part (
  attempt_id  TEXT NOT NULL,
  part        BIGINT NOT NULL,
  provider    TEXT NOT NULL,
  provider_id TEXT NOT NULL,                -- in its canonical spelling
  receipt     TEXT,
  error       TEXT,
  receipt_at  BIGINT,
  PRIMARY KEY (attempt_id, part)
);
CREATE INDEX attempt_part_provider ON attempt_part (provider, provider_id);

-- What came in and waits: texts to be read, receipts whose message is not known yet.
CREATE TABLE inbox (
  id          TEXT PRIMARY KEY,
  provider    TEXT NOT NULL,
  kind        TEXT NOT NULL,                -- text | receipt
  dedupe_key  TEXT NOT NULL,
  match_key   TEXT,                         -- receipts: the provider's id in its canonical spelling
  body        TEXT NOT NULL,
  state       TEXT NOT NULL,                -- new | done
  received_at BIGINT NOT NULL,
  UNIQUE (provider, kind, dedupe_key)
);
CREATE INDEX inbox_new ON inbox (kind, received_at) WHERE state = 'new';
CREATE INDEX inbox_match ON inbox (provider, match_key) WHERE state = 'new' AND match_key IS NOT NULL;

CREATE TABLE question (
  id           TEXT PRIMARY KEY,
  message_id   TEXT NOT NULL,
  address_hash TEXT NOT NULL,
  patient_id   TEXT NOT NULL,
  relation_id  TEXT,
  occasions    TEXT NOT NULL,               -- [{"id","epoch"}]
  kind         TEXT NOT NULL,               -- confirm | choice | survey
  options      TEXT NOT NULL,
  state        TEXT NOT NULL,               -- open | answered | closed
  asked_at     BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL
);
CREATE INDEX question_address ON question (address_hash, asked_at);
CREATE INDEX question_message ON question (message_id);

CREATE TABLE reply (
  id           TEXT PRIMARY KEY,
  inbox_id     TEXT NOT NULL UNIQUE,
  channel      TEXT NOT NULL,
  provider     TEXT NOT NULL,
  address      TEXT NOT NULL,
  address_hash TEXT NOT NULL,
  sent_to      TEXT NOT NULL,
  text         TEXT NOT NULL,
  patient_id   TEXT,
  relation_id  TEXT,
  question_id  TEXT,
  occasion_id  TEXT,
  message_id   TEXT,                        -- what it answers
  intent       TEXT NOT NULL,
  slots        TEXT NOT NULL,
  needs_human  BOOLEAN NOT NULL,
  outcome      TEXT NOT NULL,               -- what was done about it
  received_at  BIGINT NOT NULL,
  handled_at   BIGINT NOT NULL
);
CREATE INDEX reply_patient ON reply (patient_id, received_at);
CREATE INDEX reply_address ON reply (address_hash, received_at);
CREATE INDEX reply_received ON reply (received_at, id);
CREATE INDEX reply_message ON reply (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE task (
  id          TEXT PRIMARY KEY,
  dedupe_key  TEXT NOT NULL UNIQUE,
  channel     TEXT NOT NULL,                -- task | popup
  kind        TEXT NOT NULL,                -- reminder | reply | emergency | change_request | missing_value | unreachable | fault
  priority    TEXT NOT NULL,                -- urgent | normal
  department  TEXT NOT NULL,
  title       TEXT NOT NULL,
  text        TEXT NOT NULL,
  patient_id  TEXT,
  occasion_id TEXT,
  reminder_id TEXT,
  reply_id    TEXT,
  count       BIGINT NOT NULL,
  state       TEXT NOT NULL,                -- open | done
  created_at  BIGINT NOT NULL,
  done_at     BIGINT
);
CREATE INDEX task_open ON task (department, state, created_at);
CREATE INDEX task_patient ON task (patient_id);

CREATE TABLE change_request (
  id          TEXT PRIMARY KEY,
  occasion_id TEXT NOT NULL,
  patient_id  TEXT NOT NULL,
  reply_id    TEXT,
  epoch       BIGINT NOT NULL,
  wish        TEXT NOT NULL,                -- cancel | reschedule
  slots       TEXT NOT NULL,
  state       TEXT NOT NULL,                -- new | accepted | rejected | superseded
  reason      TEXT,
  created_at  BIGINT NOT NULL,
  answered_at BIGINT
);
CREATE INDEX change_request_state ON change_request (state, created_at);
CREATE INDEX change_request_occasion ON change_request (occasion_id);

-- What happened, for others to hear. seq is given by one publisher after the commit, so a reader misses none.
CREATE TABLE event (
  id   TEXT PRIMARY KEY,
  seq  BIGINT,
  type TEXT NOT NULL,
  at   BIGINT NOT NULL,
  data TEXT NOT NULL
);
CREATE UNIQUE INDEX event_seq ON event (seq) WHERE seq IS NOT NULL;
CREATE INDEX event_fresh ON event (id) WHERE seq IS NULL;

-- How far each sink has been told.
CREATE TABLE outbox (
  sink   TEXT PRIMARY KEY,
  cursor BIGINT NOT NULL
);

-- Who did what, where a person or a key acted.
CREATE TABLE audit (
  id     TEXT PRIMARY KEY,
  at     BIGINT NOT NULL,
  actor  TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX audit_target ON audit (target, at);

CREATE TABLE api_key (
  id           TEXT PRIMARY KEY,
  name         TEXT NOT NULL,
  hash         TEXT NOT NULL UNIQUE,
  scopes       TEXT NOT NULL,
  created_at   BIGINT NOT NULL,
  revoked_at   BIGINT
);
