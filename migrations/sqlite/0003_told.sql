-- What was told before: the dates an occasion had, and where else a question went.

-- The date that an occasion had in an epoch that is over.
CREATE TABLE occasion_date (
  occasion_id TEXT NOT NULL REFERENCES occasion (id) ON DELETE CASCADE,
  epoch       BIGINT NOT NULL,
  local_at    TEXT NOT NULL,
  PRIMARY KEY (occasion_id, epoch)
);

-- The addresses that a question's message went on to when the first one failed: a reply from each of them answers it.
CREATE TABLE question_reach (
  address_hash TEXT NOT NULL,
  question_id  TEXT NOT NULL REFERENCES question (id) ON DELETE CASCADE,
  PRIMARY KEY (address_hash, question_id)
);
CREATE INDEX question_reach_question ON question_reach (question_id);
