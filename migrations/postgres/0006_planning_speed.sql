-- Sets of ids travel as plain arrays: what planning reads of a thousand patients is told ten times as quickly.
-- SQLite's json_each has the column `atom` that reads them; PostgreSQL gets it here.

-- Only `value`, and `atom` of texts, are relied on.
DROP FUNCTION json_each(TEXT);
CREATE FUNCTION json_each(rows TEXT) RETURNS TABLE (value JSONB, atom TEXT)
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT e, e #>> '{}' FROM jsonb_array_elements(rows::jsonb) AS e $$;
