-- Staff as recipients: who is away and who stands in, whose patient it is, whose task it is, which digests went out.

ALTER TABLE staff ADD COLUMN away TEXT;              -- [{"from":"2026-07-01","until":"2026-07-20"}], both days included
ALTER TABLE staff ADD COLUMN substitute TEXT;        -- source/key of another member of staff
CREATE INDEX staff_department ON staff (department, name);

ALTER TABLE occasion ADD COLUMN doctor_key TEXT;     -- source/key of the treating doctor

ALTER TABLE task ADD COLUMN staff_id TEXT;           -- whose it is alone; null: the department's
CREATE INDEX task_staff ON task (staff_id, state, created_at) WHERE staff_id IS NOT NULL;

-- What went out already: each once.
CREATE TABLE digest (
  key     TEXT PRIMARY KEY,                          -- recipient, channel and minute
  due_at  BIGINT NOT NULL,
  made_at BIGINT NOT NULL
);
CREATE INDEX digest_due ON digest (due_at);
