-- Messages of ours, the last of several in a row, and how long it took until an answer came (NULL: none came). What
-- went out by itself and surveys count on neither side, as in answers.sql. From nightly_written.
SELECT customer_id, CASE WHEN next_direction = 'inbound' THEN next_at - at END AS answered_after
FROM nightly_written
WHERE other_id IS NULL AND NOT is_automatic AND kind <> 'survey' AND next_direction IS DISTINCT FROM 'outbound'
