-- Takes a batch of days whose rollups are stale. A day that an open ingest holds is left for the next batch, and
-- comes again when that ingest commits after this batch has read its rows.
DELETE FROM engagement_dirtyday
WHERE id IN (SELECT id FROM engagement_dirtyday ORDER BY day, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING account_id, day
