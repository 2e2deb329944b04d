-- Marks every day of every account, so that all rollups are computed again.
-- Reads engagement_interaction by (account, occurred_at).
INSERT INTO engagement_dirtyday (account_id, day, at)
SELECT DISTINCT account_id, (occurred_at AT TIME ZONE %(zone)s)::date, statement_timestamp()
FROM engagement_interaction
WHERE kind <> 'visit'
ON CONFLICT (account_id, day) DO NOTHING
