-- Patients' own leads for a rule, found without a look at anybody else.

CREATE INDEX rule_override_leads ON rule_override (rule_id, patient_id) WHERE leads IS NOT NULL;
