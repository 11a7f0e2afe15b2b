-- What planning needs to cost what is due and not what is stored: who is of an audience is found by an index,
-- occasions are walked by an index alone, and one that changed is planned alone.

CREATE INDEX patient_birth ON patient (birth_on, id) WHERE deceased = FALSE;
CREATE INDEX patient_sex ON patient (sex, id) WHERE deceased = FALSE;
CREATE INDEX patient_tagged ON patient (id) WHERE tags <> '[]' AND deceased = FALSE;

DROP INDEX occasion_at;
CREATE INDEX occasion_at ON occasion (kind, at, patient_id);

-- Occasions that changed and have to be planned again, where nothing else of their patients did.
CREATE TABLE plan_mark_occasion (
  occasion_id TEXT PRIMARY KEY,
  patient_id  TEXT NOT NULL,
  n           BIGINT NOT NULL,
  marked_at   BIGINT NOT NULL
);
CREATE INDEX plan_mark_occasion_age ON plan_mark_occasion (marked_at, occasion_id);
CREATE INDEX plan_mark_occasion_patient ON plan_mark_occasion (patient_id);
